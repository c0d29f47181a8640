// The side list, what is pointed at, and whose answer is shown.
const who = at("who");
let linked = new Map();  // a place or visit -> the elements that show it, on the map and in the list

function thingOf(thing, element) {
  linked.set(thing, [...(linked.get(thing) ?? []), element]);
  element.addEventListener("pointerenter", () => point(thing));
  element.addEventListener("pointerleave", () => point(null));
  element.addEventListener("focus", () => point(thing));
  element.addEventListener("blur", () => point(null));
  return element;
}

function point(thing) {
  for (const elements of linked.values()) for (const element of elements) element.classList.remove("on");
  tip.hidden = thing === null;
  if (thing === null) return;
  for (const element of linked.get(thing)) element.classList.add("on");
  tip.textContent = tipOf(thing);
  const mark = linked.get(thing).find((element) => svg.contains(element)).getBoundingClientRect();
  const frame = box.getBoundingClientRect();
  const left = mark.left - frame.left + mark.width / 2 + 14, top = mark.top - frame.top - 8;
  tip.style.left = `${Math.max(4, Math.min(left, frame.width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(4, Math.min(top, frame.height - tip.offsetHeight - 4))}px`;
}

function listed(answer) {
  const most = Math.max(...answer.places.map((one) => one.probability), 1e-9);
  at("list").replaceChildren(...answer.places.map((one) => thingOf(one, make("li", { tabindex: 0 },
    make("span", { class: "rank", text: one.rank }),
    make("div", {}, make("div", { class: "what", text: called(one) }), make("div", { class: "kind", text: one.category })),
    make("div", { class: "figure", text: percent(one.probability) },
      make("small", { text: one.km === null ? "" : distance(one.km) })),
    make("div", { class: "share" }, bar(one.probability / most))))));
  const recent = answer.history.slice(-RECENT);
  at("past-title").textContent = answer.history.length > RECENT
    ? `Last ${RECENT} of ${answer.history.length} visits` : recent.length ? "Visits" : "No visits are known";
  at("past").replaceChildren(...recent.map((visit) => thingOf(visit, make("li", { tabindex: 0 },
    make("div", { class: "what", text: `${called(visit)} · ${visit.category}` }),
    make("div", { class: "figure", text: clock(visit.time) })))).reverse());
  at("reasoning").hidden = !answer.reasoning;
  at("reasoning").textContent = answer.reasoning ?? "";
}

function bar(share) {
  const element = make("span");
  element.style.width = `${100 * share}%`;
  return element;
}

function show(number) {
  const answer = data.answers[number];
  linked = new Map();
  point(null);
  who.value = number;
  at("before").disabled = number === 0;
  at("after").disabled = number === data.answers.length - 1;
  at("summary").textContent = `${clock(answer.when)} · after ${answer.history.length} visits`;
  place(answer);
  listed(answer);
}

who.append(...data.answers.map((answer, n) => make("option", { value: n, text: title(answer) })));
who.addEventListener("change", () => show(Number(who.value)));
at("before").addEventListener("click", () => show(Number(who.value) - 1));
at("after").addEventListener("click", () => show(Number(who.value) + 1));
show(0);
