// The map: metres around the answer's middle, drawn in pixels. Wheel, drag and buttons move it.
const svg = at("map"), box = at("map-box"), tip = at("tip");
const RADIUS = 14, KM_A_DEGREE = 111.195;
const view = { x: 0, y: 0, scale: 1 };  // what lies in the middle, in km; pixels a km
let shown = null, points = { places: [], visits: [] }, shrink = 1;

const middle = (values) => (Math.min(...values) + Math.max(...values)) / 2;
const km = (thing) => ({ x: thing.longitude * shrink * KM_A_DEGREE, y: -thing.latitude * KM_A_DEGREE });
const pixel = (p) => ({
  x: box.clientWidth / 2 + (p.x - view.x) * view.scale, y: box.clientHeight / 2 + (p.y - view.y) * view.scale,
});

function place(answer) {
  shown = answer;
  const recent = answer.history.slice(-RECENT);
  const all = [...answer.places, ...recent];
  shrink = Math.cos((middle(all.map((thing) => thing.latitude)) * Math.PI) / 180);
  points = { places: answer.places.map(km), visits: recent.map(km) };
  const origin = points.places[0];
  const from = (p) => `${(p.x - origin.x).toFixed(4)} ${(p.y - origin.y).toFixed(4)}`;
  const dots = data.ground.latitude.map((latitude, n) => km({ latitude, longitude: data.ground.longitude[n] }));
  at("dots").setAttribute("d", dots.map((p) => `M${from(p)}h0`).join(""));
  at("trail").setAttribute("d", points.visits.length > 1 ? `M${points.visits.map(from).join("L")}` : "");
  at("visits").replaceChildren(...recent.map((visit, n) => thingOf(visit, make("circle", {
    class: n === recent.length - 1 ? "visit last" : "visit", r: n === recent.length - 1 ? 9 : 5,
  }))));
  at("places").replaceChildren(...answer.places.flatMap((one, n) => [
    make("line", { class: "leader" }), make("circle", { class: "anchor", r: 3 }),
    thingOf(one, make("g", { class: n ? "place" : "place first" },
      make("circle", { r: RADIUS }), make("text", { text: one.rank }))),
  ]));
  fit();
}

function fit() {
  const all = [...points.places, ...points.visits];
  const xs = all.map((p) => p.x), ys = all.map((p) => p.y);
  view.x = middle(xs);
  view.y = middle(ys);
  const wide = Math.max(...xs) - Math.min(...xs), high = Math.max(...ys) - Math.min(...ys);
  const room = 90;
  view.scale = Math.min((box.clientWidth - room) / Math.max(wide, 0.3), (box.clientHeight - room) / Math.max(high, 0.3));
  draw();
}

function draw() {
  const origin = pixel(points.places[0]);
  at("ground").setAttribute("transform", `translate(${origin.x} ${origin.y}) scale(${view.scale})`);
  const visits = at("visits").children;
  points.visits.forEach((p, n) => move(visits[n], pixel(p)));
  const anchors = points.places.map(pixel), labels = apart(anchors);
  const parts = at("places").children;
  anchors.forEach((anchor, n) => {
    const [line, dot, label] = [parts[3 * n], parts[3 * n + 1], parts[3 * n + 2]];
    for (const [end, p] of [["1", anchor], ["2", labels[n]]]) {
      line.setAttribute(`x${end}`, p.x);
      line.setAttribute(`y${end}`, p.y);
    }
    move(dot, anchor);
    move(label, labels[n]);
  });
  scaleBar();
}

const move = (element, p) => element.setAttribute("transform", `translate(${p.x.toFixed(1)} ${p.y.toFixed(1)})`);

// Labels that would lie on each other are pushed apart; a line leads from each to its place.
function apart(anchors) {
  const labels = anchors.map((p, n) => ({ x: p.x + 0.01 * Math.cos(2.4 * n), y: p.y + 0.01 * Math.sin(2.4 * n) }));
  const least = 2 * RADIUS + 3;
  for (let round = 0; round < 60; round++) {
    let moved = false;
    for (let a = 0; a < labels.length; a++) {
      for (let b = a + 1; b < labels.length; b++) {
        const dx = labels[b].x - labels[a].x, dy = labels[b].y - labels[a].y, length = Math.hypot(dx, dy);
        if (length >= least) continue;
        const push = (least - length) / 2 / (length || 1);
        labels[a].x -= dx * push; labels[a].y -= dy * push;
        labels[b].x += dx * push; labels[b].y += dy * push;
        moved = true;
      }
    }
    if (!moved) break;
  }
  return labels;
}

function scaleBar() {
  const lengths = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
  const length = lengths.find((one) => one * view.scale >= 80) ?? lengths.at(-1);
  at("bar").style.width = `${length * view.scale}px`;
  at("length").textContent = length < 1 ? `${1000 * length} m` : `${length} km`;
}

function zoom(factor, x = box.clientWidth / 2, y = box.clientHeight / 2) {
  const scale = Math.min(Math.max(view.scale * factor, 0.05), 20000), change = 1 / view.scale - 1 / scale;
  view.x += (x - box.clientWidth / 2) * change;
  view.y += (y - box.clientHeight / 2) * change;
  view.scale = scale;
  draw();
}

svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
}, { passive: false });
svg.addEventListener("pointerdown", (event) => {
  svg.setPointerCapture(event.pointerId);
  svg.classList.add("moving");
});
svg.addEventListener("pointermove", (event) => {
  if (!svg.classList.contains("moving")) return;
  view.x -= event.movementX / view.scale;
  view.y -= event.movementY / view.scale;
  draw();
});
for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => svg.classList.remove("moving"));
at("closer").addEventListener("click", () => zoom(1.6));
at("wider").addEventListener("click", () => zoom(1 / 1.6));
at("whole").addEventListener("click", fit);
new ResizeObserver(() => shown && draw()).observe(box);
