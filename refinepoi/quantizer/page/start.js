// Everything is there: fill the head line and show the whole city.
const [rows1, columns1] = data.grids[0];
const sizes = data.grids.map(([height, width]) => `${height}×${width}`).join(", ");
const some = count < data.pois ? ` (a sample of ${count.toLocaleString("en")} is shown)` : "";
const maker = data.quantizer ? ` · ${data.quantizer}` : "";
at("summary").textContent = `${many(data.pois)}${some} · ${levels} level${levels === 1 ? "" : "s"}: ${sizes}${maker}`;
at("grid-title").textContent = `Level-1 map, ${rows1} × ${columns1} cells`;
at("map-note").textContent = `${many(count)} in the colour of their level-1 cell. Point at one for its ID; wheel and drag to zoom.`;
const main = buildGrid(at("grid"), 0, [], everyone, (code) => data.colours[code], true);
paint();
document.documentElement.dataset.ready = "yes";
