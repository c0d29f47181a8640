// The data, and small makers of elements. Whatever comes from data is written as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const RECENT = 12;  // visits that are joined by the line and listed

function make(tag, { text, ...attributes } = {}, ...children) {
  const svg = ["g", "circle", "line", "text", "title"].includes(tag);
  const element = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

const called = (place) => place.name ?? place.poi_id;
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const distance = (km) => (km < 1 ? `${Math.round(1000 * km)} m` : `${km.toFixed(km < 10 ? 1 : 0)} km`);
const clock = (time) => `${DAYS[new Date(time.slice(0, 10)).getUTCDay()]} ${time.slice(0, 10)} ${time.slice(11, 16)}`;
const title = (answer) => (answer.trip === null ? answer.user : `${answer.user}, trip ${answer.trip}`);

function tipOf(thing) {
  const lines = [called(thing), thing.category];
  if (thing.rank !== undefined) {
    if (thing.km !== null) lines.push(`${distance(thing.km)} from the last place`);
    lines.push(percent(thing.probability));
  } else lines.push(clock(thing.time));
  if (thing.name) lines.push(thing.poi_id);
  return lines.join("\n");
}
