"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const numbersOf = (element) => element.dataset.configuration.split(" ").map(Number);

// --- light and dark -------------------------------------------------------------------------------------------------
const theme = document.getElementById("theme");
const dark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const sayTheme = () => {
  theme.setAttribute("aria-pressed", String(dark()));
  theme.textContent = dark() ? "Light" : "Dark";
};
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  sayTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", sayTheme);
sayTheme();

// --- sorting: a number where the cell has one, text otherwise; empty cells last ------------------------------------
const order = new Intl.Collator(undefined, { numeric: true });
function sortBy(table, column, descending) {
  const key = (row) => row.cells[column].dataset.value;
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const [p, q] = [Number(x), Number(y)];
    const difference = Number.isNaN(p) || Number.isNaN(q) ? order.compare(x, y) : p - q;
    return descending ? -difference : difference;
  };
  for (const body of table.tBodies) body.append(...[...body.rows].sort(compare));
  [...table.tHead.rows[0].cells].forEach((head, n) => {
    if (n === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}
for (const head of all("table.sortable thead th"))
  head.querySelector("button").addEventListener("click", () => {
    const was = head.getAttribute("aria-sort");
    const number = !head.classList.contains("text") && head.cellIndex > 0;
    sortBy(head.closest("table"), head.cellIndex, was ? was === "ascending" : number);
  });

// --- filters: one choice a setting, and free text over the rows ------------------------------------------------------
const filter = document.getElementById("filter");
const choices = all("select.choice");
const rowTexts = new Map();
for (const row of all('table[data-table="ranking"] tr[data-configuration], table[data-table="runs"] tr[data-configuration]')) {
  const number = Number(row.dataset.configuration);
  rowTexts.set(number, (rowTexts.get(number) ?? "") + " " + row.textContent.toLowerCase());
}
function shown(number) {
  const settings = data.settings[number] ?? {};
  const chosen = choices.every((c) => !c.value || !(c.dataset.key in settings) || settings[c.dataset.key] === c.value);
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  return chosen && words.every((word) => (rowTexts.get(number) ?? "").includes(word));
}
function applyFilters() {
  const numbers = Object.keys(data.settings).map(Number);
  const kept = new Set(numbers.filter(shown));
  for (const element of all("[data-configuration]"))
    element.classList.toggle("filtered", !numbersOf(element).some((number) => kept.has(number)));
  document.getElementById("count").textContent =
    kept.size === numbers.length ? "" : `${kept.size} of ${numbers.length} configurations`;
}
filter.addEventListener("input", applyFilters);
for (const choice of choices) choice.addEventListener("change", applyFilters);
document.getElementById("reset").addEventListener("click", () => {
  filter.value = "";
  for (const choice of choices) choice.value = "";
  applyFilters();
});
for (const value of all(".pick")) {
  const pick = () => {
    const choice = choices.find((c) => c.dataset.key === value.dataset.key);
    choice.value = choice.value === value.dataset.value ? "" : value.dataset.value;
    applyFilters();
  };
  value.addEventListener("click", pick);
  value.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    pick();
  });
}

// --- one metric at a time; differences to the chosen reference -------------------------------------------------------
const metric = document.getElementById("metric");
metric.addEventListener("change", () => {
  for (const part of all("[data-metric]")) part.hidden = part.dataset.metric !== metric.value;
});
const signed = (value) => (value < 0 ? "" : "+") + value.toFixed(3);
const pText = (p) => (p < 0.001 ? "p < .001" : p > 0.9994 ? "p = 1" : "p = " + p.toFixed(3).replace(/^0/, ""));
function differencesTo(article, reference) {
  const comparison = data.comparisons[Number(article.dataset.comparison)];
  for (const part of all("section > [data-metric]", article)) {
    const table = part.querySelector('table[data-table="ranking"]');
    if (!table) continue;
    const heads = [...table.tHead.rows[0].cells].filter((head) => head.classList.contains("difference"));
    for (const row of all("tr[data-configuration]", table))
      heads.forEach((head, n) => {
        const cell = row.cells[head.cellIndex];
        const gain = comparison.gains[part.dataset.metric][comparison.splits[n]][reference][row.dataset.configuration];
        cell.dataset.value = gain ? gain[0] : 0;
        cell.classList.toggle("best", Boolean(gain) && gain[3] < 0.05);
        cell.textContent = gain ? signed(gain[0]) : "reference";
        if (!gain) return;
        const small = document.createElement("small");
        small.textContent = `[${gain[1].toFixed(3)}, ${gain[2].toFixed(3)}] ${pText(gain[3])}`;
        cell.append(small);
      });
  }
}
for (const select of all("select.reference"))
  select.addEventListener("change", () => differencesTo(select.closest("article"), select.value));

// --- pointing at a configuration marks it everywhere -----------------------------------------------------------------
function mark(numbers) {
  document.body.classList.toggle("marking", numbers.length > 0);
  for (const element of all("[data-configuration]"))
    element.classList.toggle("marked", numbersOf(element).some((number) => numbers.includes(number)));
}
document.addEventListener("pointerover", (event) => {
  const over = event.target.closest("[data-configuration]");
  mark(over && over.dataset.configuration !== "0" ? numbersOf(over) : []);
});

// --- pictures --------------------------------------------------------------------------------------------------------
const large = document.getElementById("large");
for (const button of all(".zoom"))
  button.addEventListener("click", () => {
    const [from, to] = [button.querySelector("img"), large.querySelector("img")];
    to.src = from.src;
    to.alt = from.alt;
    large.showModal();
  });
large.addEventListener("click", () => large.close());
addEventListener("beforeprint", () => { for (const part of all("details")) part.open = true; });
