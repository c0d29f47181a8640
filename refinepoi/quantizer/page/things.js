// What is looked at is a `thing`: {title, rows: POI numbers, prefix: codes of an opened cell, category, poi}. `kept` stays
// (click, Enter, search), `passing` lasts while something is pointed at. Text enters the page through textContent alone.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const count = data.category.length, levels = data.grids.length;
const everyone = Array.from({ length: count }, (_, poi) => poi);
const many = (n, one = "place") => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function make(tag, { text, style = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const [name, value] of Object.entries(style)) node.style.setProperty(name, value);
  node.append(...children);
  return node;
}

const token = (level, code) => {
  const width = data.grids[level][1];
  return `<${data.letters[level]}_${Math.floor(code / width)},${code % width}>`;
};
const textOf = (prefix) => prefix.map((code, level) => token(level, code)).join("");
const codesOf = (poi) => data.codes.map((column) => column[poi]);
const colourOf = (poi) => data.colours[data.codes[0][poi]];
const under = (prefix, rows = everyone) => rows.filter((poi) => prefix.every((c, level) => data.codes[level][poi] === c));

const home = { title: "All places", rows: everyone, prefix: [] };
const cellThing = (prefix) => ({ title: textOf(prefix), rows: under(prefix), prefix });
const categoryThing = (category) => ({
  title: data.categories[category], category, prefix: [], rows: everyone.filter((poi) => data.category[poi] === category),
});
const poiThing = (poi) => ({ title: textOf(codesOf(poi)), rows: [poi], prefix: codesOf(poi), poi });

let kept = home, passing = null;
const seen = () => passing ?? kept;
function look(thing, details = true) {
  passing = thing;
  paint(details);
}
function keep(thing) {
  kept = thing;
  passing = null;
  const inside = at("details").contains(document.activeElement);
  paint();
  if (inside && !at("details").contains(document.activeElement)) at("details-title").focus();  // its button is gone
}

function shares(rows, column = data.category) {  // [value, how many], the most frequent first
  const found = new Map();
  for (const poi of rows) found.set(column[poi], (found.get(column[poi]) ?? 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

function spread(rows) {  // kilometres within which half of the places lie of their middle
  const middle = (column) => rows.map((poi) => column[poi]).sort((a, b) => a - b)[rows.length >> 1];
  const [south, west] = [middle(data.latitude), middle(data.longitude)];
  const shrink = Math.cos((south * Math.PI) / 180);
  const far = rows.map((p) => 111.2 * Math.hypot(data.latitude[p] - south, (data.longitude[p] - west) * shrink));
  return far.sort((a, b) => a - b)[rows.length >> 1];
}
