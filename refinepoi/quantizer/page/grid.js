// A grid of cells: the level-1 map and, in the details, the level below an opened cell.
function buildGrid(box, level, prefix, rows, colour, details) {
  const [height, width] = data.grids[level];
  const columns = height === 1 && width > 24 ? Math.ceil(Math.sqrt(width)) : width;  // a long line is folded
  const members = Array.from({ length: height * width }, () => []);
  for (const poi of rows) members[data.codes[level][poi]].push(poi);
  const filled = members.map((m) => m.length).filter(Boolean).sort((a, b) => a - b);
  const full = filled[Math.floor(0.8 * (filled.length - 1))] ?? 1;
  const side = (n, top = full) => (n ? `${Math.max(0.22, Math.min(1, Math.sqrt(n / top))) * 94}%` : "0");
  box.style.setProperty("grid-template-columns", `repeat(${columns}, minmax(0, 1fr))`);
  box.style.setProperty("--columns", columns);
  box.classList.toggle("hexagonal", data.topology === "hexagonal" && columns === width);
  const cells = members.map((inside, code) => {
    const name = token(level, code), top = inside.length ? shares(inside)[0] : null;
    const label = top ? `${name}: ${many(inside.length)}, most of them ${data.categories[top[0]]}` : `${name}: empty`;
    const cell = make("button", {
      type: "button", role: "gridcell", class: inside.length ? "cell" : "cell empty", tabindex: -1, "aria-label": label,
      "data-code": code, style: { "--c": colour(code), "--s": side(inside.length) },
    });
    const thing = () => (inside.length ? cellThing([...prefix, code]) : null);
    cell.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && look(thing(), details));
    cell.addEventListener("focus", () => cell.matches(":focus-visible") && look(thing(), details));
    cell.addEventListener("blur", () => look(null, details));
    cell.addEventListener("click", () => {
      const wanted = thing();
      const again = wanted && kept.title === wanted.title;
      if (wanted) keep(again ? home : wanted);
    });
    return cell;
  });
  box.replaceChildren();
  for (let first = 0; first < cells.length; first += columns) {
    const odd = (first / columns) % 2 ? "odd" : "even";
    box.append(make("div", { role: "row", class: odd }, ...cells.slice(first, first + columns)));
  }
  (cells[members.findIndex((m) => m.length)] ?? cells[0]).tabIndex = 0;
  box.onpointerleave = () => look(null, details);
  box.onkeydown = (event) => {
    const now = cells.indexOf(document.activeElement);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    let next = step === undefined ? -1 : now + step;
    if (Math.abs(step) === 1 && Math.floor(next / columns) !== Math.floor(now / columns)) next = -1;
    if (event.key === "Home") next = 0;
    if (event.key === "End") next = cells.length - 1;
    if (now < 0 || next < 0 || next >= cells.length) return;
    event.preventDefault();
    cells[now].tabIndex = -1;
    cells[next].tabIndex = 0;
    cells[next].focus({ focusVisible: true });
  };
  return { cells, members, side, full };
}

function markGrid(thing) {
  const category = thing.category ?? kept.category, some = category !== undefined;
  const hits = some ? main.members.map((m) => m.filter((poi) => data.category[poi] === category).length) : null;
  const top = some ? Math.max(1, ...hits) : main.full;
  main.cells.forEach((cell, code) => {
    cell.style.setProperty("--s", main.side(some ? hits[code] : main.members[code].length, top));
    cell.classList.toggle("on", thing.prefix[0] === code);
    cell.classList.toggle("kept", kept.prefix[0] === code);
  });
}
