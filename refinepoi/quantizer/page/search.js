// The search box: IDs and their prefixes, categories, places. A combobox with a list of results.
const box = at("search"), list = at("found");
let results = [], active = -1;
const prefixes = new Map();  // text of every ID and prefix in use -> codes
for (const poi of everyone) {
  const codes = codesOf(poi);
  for (let depth = 1; depth <= levels; depth++) {
    const prefix = codes.slice(0, depth), text = textOf(prefix);
    const known = prefixes.get(text);
    if (known) known.size += 1;
    else prefixes.set(text, { prefix, size: 1 });
  }
}
const inCategory = data.categories.map(() => 0);
for (const category of data.category) inCategory[category] += 1;

function find(words) {
  const wanted = words.trim().toLowerCase(), id = wanted.replace(/\s/g, "");
  if (!wanted) return [];
  const first = (rows, n, rank) => rows.sort(rank).slice(0, n);
  const ids = first(
    [...prefixes].filter(([text]) => text.toLowerCase().includes(id)), 6,
    (a, b) => a[1].prefix.length - b[1].prefix.length || a[0].length - b[0].length || b[1].size - a[1].size,
  ).map(([text, { prefix, size }]) => [text, many(size), () => cellThing(prefix)]);
  const kinds = first(
    inCategory.map((n, category) => category).filter((c) => data.categories[c].toLowerCase().includes(wanted)), 8,
    (a, b) => inCategory[b] - inCategory[a],
  ).map((c) => [data.categories[c], many(inCategory[c]), () => categoryThing(c)]);
  const places = everyone.filter((poi) => data.poi[poi].toLowerCase().includes(wanted)).slice(0, 6)
    .map((poi) => [data.poi[poi], textOf(codesOf(poi)), () => poiThing(poi)]);
  return [...kinds, ...ids, ...places];
}

function choose(number) {
  active = number;
  [...list.children].forEach((item, n) => item.setAttribute("aria-selected", n === active));
  list.children[active]?.scrollIntoView({ block: "nearest" });
  if (active >= 0) box.setAttribute("aria-activedescendant", `found-${active}`);
  else box.removeAttribute("aria-activedescendant");
}

function close() {
  list.hidden = true;
  box.setAttribute("aria-expanded", "false");
  choose(-1);
}

function pick(number) {
  if (!results[number]) return;
  keep(results[number][2]());
  close();
}

function offer() {
  results = find(box.value);
  const empty = make("li", { text: "Nothing of that name", role: "option", "aria-disabled": "true", class: "note" });
  list.replaceChildren(...results.map(([what, how], number) => {
    const item = make("li", { role: "option", id: `found-${number}`, "aria-selected": "false" },
      make("span", { class: "what", text: what }), make("span", { class: "how", text: how }));
    item.addEventListener("pointerdown", (event) => {  // before the box loses focus
      event.preventDefault();
      pick(number);
    });
    return item;
  }), ...(results.length ? [] : [empty]));
  list.hidden = !box.value.trim();
  box.setAttribute("aria-expanded", String(!list.hidden));
  choose(-1);
}

box.addEventListener("input", offer);
box.addEventListener("focus", () => box.value && offer());
box.addEventListener("blur", close);
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter") pick(Math.max(active, 0));
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    if (results.length) choose((active + step + results.length) % results.length);
  }
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (list.hidden) keep(home);
  else close();
});
