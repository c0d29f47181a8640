// The panel of details and the line under the grid.
function factRows(thing) {
  if (thing === home) return data.facts;
  if (thing.poi === undefined) return [];
  const { poi } = thing;
  return [["Category", data.categories[data.category[poi]]], ["Place", data.poi[poi]],
    ["Latitude, longitude", `${data.latitude[poi]}, ${data.longitude[poi]}`]];
}

function showPath(thing) {
  const steps = [];
  if (thing !== home) steps.push(["All places", () => keep(home)]);
  for (let depth = 1; depth < thing.prefix.length; depth++) {
    const prefix = thing.prefix.slice(0, depth);
    steps.push([token(depth - 1, prefix[depth - 1]), () => keep(cellThing(prefix))]);
  }
  if (thing === home) at("path").textContent = "Point at a cell or a place, or search";
  else at("path").replaceChildren(...steps.flatMap(([name, go]) => {
    const button = make("button", { type: "button", text: name });
    button.addEventListener("click", go);
    return [button, " › "];
  }));
}

function showBars(thing, rows) {  // of a category the cells it lies in, else the categories
  const cells = thing.category !== undefined, colour = thing.prefix.length ? data.colours[thing.prefix[0]] : null;
  const found = shares(rows, cells ? data.codes[0] : data.category), most = found[0]?.[1] ?? 1;
  at("bars-title").textContent = cells ? "Cells" : "Categories";
  at("bars").replaceChildren(...found.slice(0, 8).map(([key, n]) => {
    const bar = make("button", { type: "button", style: { "--w": `${(100 * n) / most}%` } },
      make("span", { text: cells ? token(0, key) : data.categories[key] }),
      make("span", { text: `${n} · ${percent(n / rows.length)}` }));
    if (cells || colour) bar.style.setProperty("--c", cells ? data.colours[key] : colour);
    bar.addEventListener("click", () => keep(cells ? cellThing([key]) : categoryThing(key)));
    return make("li", {}, bar);
  }));
  const rest = found.slice(8).reduce((sum, [, n]) => sum + n, 0);
  if (rest) at("bars").append(make("li", { class: "note", text: `${many(rest)} in ${found.length - 8} more` }));
}

let detailed = null;
function showDetails(thing) {
  detailed = thing;
  const single = thing.poi !== undefined, depth = thing.prefix.length;
  showPath(thing);
  at("details-title").textContent = thing.title;
  const reach = thing.rows.length > 1 ? `, half of them within ${spread(thing.rows).toFixed(1)} km of their middle` : "";
  at("details-note").textContent = single ? "" : `${many(thing.rows.length)}${reach}`;
  const facts = factRows(thing);
  at("facts").hidden = !facts.length;
  at("facts").replaceChildren(...facts.flatMap(([k, v]) => [make("dt", { text: k }), make("dd", { text: v })]));

  const open = !single && depth > 0 && depth < levels;
  at("below").hidden = !open;
  if (open) {
    const colour = data.colours[thing.prefix[0]];
    const { members } = buildGrid(at("subgrid"), depth, thing.prefix, thing.rows, () => colour, false);
    const used = members.filter((m) => m.length).length;
    at("below-title").textContent = `Level ${depth + 1} below it: ${used} of ${members.length} cells used`;
  }
  // A single place stands among its neighbours: those that share the longest prefix with it.
  let rows = thing.rows, share = depth;
  while (single && rows.length < 2 && share > 1) rows = under(thing.prefix.slice(0, --share));
  showBars(thing, rows);
  at("places-title").textContent = single ? `Under ${textOf(thing.prefix.slice(0, share))}` : "Places";
  const listed = rows.slice(0, 100);
  at("places").replaceChildren(...listed.map((poi) => {
    const button = make("button", { type: "button", "data-poi": poi },
      make("span", { class: "mark", style: { "--c": colourOf(poi) } }), data.categories[data.category[poi]],
      make("small", { text: `${textOf(codesOf(poi))}  ${data.poi[poi]}` }));
    button.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && look(poiThing(poi), false));
    button.addEventListener("pointerleave", () => look(null, false));
    button.addEventListener("click", () => keep(poiThing(poi)));
    return make("li", {}, button);
  }));
  at("places-note").textContent = rows.length > 100 ? `and ${many(rows.length - 100, "more place")}` : "";
}

function showStatus(thing) {
  const top = shares(thing.rows).slice(0, 3).map(([c, n]) => `${data.categories[c]} ${percent(n / thing.rows.length)}`);
  const rest = thing.category !== undefined
    ? `in ${many(new Set(thing.rows.map((poi) => data.codes[0][poi])).size, "cell")}` : top.join(", ");
  at("status").textContent = thing.poi !== undefined
    ? `${thing.title}  ${data.categories[data.category[thing.poi]]}` : `${thing.title} · ${many(thing.rows.length)} · ${rest}`;
}

function paint(details = true) {
  const thing = seen();
  markGrid(thing);
  showStatus(thing);
  draw(thing);
  if (details && thing !== detailed) showDetails(thing);  // built anew only if it changes: a press in it must not be lost
}
