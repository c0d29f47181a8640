// The city as points on a canvas: wheel, drag and buttons zoom; the nearest point can be pointed at and clicked.
const canvas = at("map"), pen = canvas.getContext("2d");
const darkness = matchMedia("(prefers-color-scheme: dark)");
const middleLatitude = data.latitude.reduce((a, b) => a + b, 0) / Math.max(count, 1);
const shrink = Math.cos((middleLatitude * Math.PI) / 180);
const east = data.longitude.map((value) => value * shrink), north = data.latitude;
// No cell lies on top of all others.
const order = everyone.slice().sort((a, b) => ((data.codes[0][a] * 7919) % 1009) - ((data.codes[0][b] * 7919) % 1009));
const LENGTHS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

const window0 = (() => {  // a square on nearly all places: middle and half side in degrees of latitude
  const cut = (column, share) => column.slice().sort((a, b) => a - b)[Math.round(share * (count - 1))];
  const [w, e, s, n] = [cut(east, 0.005), cut(east, 0.995), cut(north, 0.005), cut(north, 0.995)];
  return { x: (w + e) / 2, y: (s + n) / 2, half: 0.54 * Math.max(e - w, n - s, 1e-4) };
})();
let view = { ...window0 }, side = 400, shownThing = home;

function project(poi) {
  const scale = side / (2 * view.half);
  return [side / 2 + (east[poi] - view.x) * scale, side / 2 - (north[poi] - view.y) * scale];
}

function draw(thing = shownThing, printing = false) {
  shownThing = thing;
  const dark = darkness.matches && !printing;
  const [ink, faint, halo] = dark ? ["#e8eaee", "#3a404b", "#101216"] : ["#1d2127", "#d3d8df", "#ffffff"];
  const sharp = printing ? 3 : devicePixelRatio || 1;
  side = canvas.clientWidth || side;
  canvas.width = canvas.height = Math.round(side * sharp);
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  const zoom = Math.min(4, Math.sqrt(window0.half / view.half));
  const radius = Math.max(1.3, Math.min(3.4, Math.sqrt(30000 / count) * 0.7)) * (side / 620) ** 0.5 * zoom;
  const whole = thing.rows.length === count;
  const member = new Uint8Array(count);
  for (const poi of thing.rows) member[poi] = 1;
  const dot = (poi, r) => {
    const [x, y] = project(poi);
    if (x < -r || y < -r || x > side + r || y > side + r) return;
    pen.beginPath();
    pen.arc(x, y, r, 0, 7);
    pen.fill();
  };
  if (!whole) {
    pen.fillStyle = faint;
    for (const poi of order) if (!member[poi]) dot(poi, radius * 0.85);
  }
  const bigger = whole ? radius : radius + (thing.rows.length < 400 ? 2 : 1);
  if (!whole && thing.rows.length < 2000) {
    pen.fillStyle = halo;
    for (const poi of thing.rows) dot(poi, bigger + 1.2);
  }
  for (const poi of order) {
    if (!member[poi]) continue;
    pen.fillStyle = colourOf(poi);
    dot(poi, bigger);
  }
  if (thing.poi !== undefined) {
    const [x, y] = project(thing.poi);
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, bigger + 5, 0, 7);
    pen.stroke();
  }
  scaleBar(ink);
}

function scaleBar(ink) {
  const reach = 2 * view.half * 111.2, length = LENGTHS.filter((n) => n < reach / 4).pop() ?? reach / 4;
  const wide = (length / reach) * side, right = side - 14, low = side - 14;
  pen.fillStyle = ink;
  pen.fillRect(right - wide, low, wide, 2);
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillText(`${length < 1 ? 1000 * length : length} ${length < 1 ? "m" : "km"}`, right - wide / 2, low - 6);
}

function nearest(x, y, within) {
  let best = -1, least = within * within;
  for (const poi of everyone) {
    const [px, py] = project(poi);
    const gap = (px - x) ** 2 + (py - y) ** 2;
    if (gap < least) [best, least] = [poi, gap];
  }
  return best;
}

function zoomBy(factor, x = side / 2, y = side / 2) {
  const half = Math.min(window0.half * 1.5, Math.max(window0.half / 200, view.half / factor));
  const scale = (2 * view.half) / side, change = 1 - half / view.half;
  view = { x: view.x + (x - side / 2) * scale * change, y: view.y - (y - side / 2) * scale * change, half };
  draw();
}

const tip = at("tip");
let drag = null, pointed = -1;
const spot = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
function point(poi) {
  if (poi === pointed) return;
  pointed = poi;
  canvas.classList.toggle("near", poi >= 0);
  tip.hidden = poi < 0;
  if (poi < 0) return look(null);
  look(poiThing(poi));
  const [x, y] = project(poi);
  tip.textContent = `${textOf(codesOf(poi))}  ${data.categories[data.category[poi]]}`;
  tip.style.top = `${y + (y > side * 0.75 ? -44 : 14)}px`;
  tip.style.left = `${Math.max(0, Math.min(x - 40, side - tip.offsetWidth - 4))}px`;
}
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = spot(event);
  if (!drag) return point(nearest(x, y, 12));
  if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4) return;
  const scale = (2 * view.half) / side;
  view = { ...view, x: drag.view.x - (x - drag.x) * scale, y: drag.view.y + (y - drag.y) * scale };
  drag.moved = true;
  canvas.classList.add("moving");
  tip.hidden = true;
  draw();
});
canvas.addEventListener("pointerdown", (event) => {
  if (event.button || event.pointerType === "touch") return;
  const [x, y] = spot(event);
  drag = { x, y, view, moved: false };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointercancel", () => (drag = null));
canvas.addEventListener("pointerup", () => canvas.classList.remove("moving"));
canvas.addEventListener("click", (event) => {
  const moved = drag?.moved;
  drag = null;
  if (moved) return;
  const poi = nearest(...spot(event), 16);
  if (poi >= 0) keep(poiThing(poi));
  else keep(home);
});
canvas.addEventListener("pointerleave", () => point(-1));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(event.deltaY < 0 ? 1.25 : 0.8, ...spot(event));
}, { passive: false });
at("closer").addEventListener("click", () => zoomBy(1.6));
at("wider").addEventListener("click", () => zoomBy(1 / 1.6));
at("whole").addEventListener("click", () => {
  view = { ...window0 };
  draw();
});
new ResizeObserver(() => draw()).observe(canvas);
darkness.addEventListener("change", () => draw());
addEventListener("beforeprint", () => draw(shownThing, true));
addEventListener("afterprint", () => draw());
