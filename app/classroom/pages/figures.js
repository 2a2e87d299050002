// Bars and tables: how a class answered, what the network said, and the results of a session.

import { el, percent, say, tally, term } from "./page.js";

// A labelled bar. `share` 0..1; `value` in words; kind: "network" or "".
function bar(label, share, value, kind = "") {
  const track = el("span", { class: "cr-track" }, el("span", { class: kind && `cr-${kind}` }));
  track.firstChild.style.width = `${100 * (share ?? 0)}%`;
  return el("div", { class: "cr-bar" }, el("span", { class: "cr-label", text: label }), el("span", { class: "cr-value", text: value }), track);
}

// The answers by class; after the reveal with the truth and the network's probability beside each. own: a student's.
export function histogram({ classes, histogram: counts = null, reveal = null, own = null }) {
  const total = counts ? Object.values(counts).reduce((sum, count) => sum + count, 0) : 0;
  const rows = classes.map(({ name, label }) => {
    const isTrue = reveal?.truth === name, network = reveal?.network?.probabilities[name];
    const notes = [isTrue && say("class.truth"), own === name && say("class.yours")].filter(Boolean);
    const row = el("li", { class: isTrue ? "cr-true" : "" });
    row.append(el("strong", { text: `${isTrue ? "✓ " : ""}${term(label)}` }), ...notes.map((text) => el("em", { text })));
    if (counts) row.append(bar(say("class.answers"), total ? counts[name] / total : 0, `${counts[name]}`));
    if (network != null) row.append(bar(say("class.network"), network, percent(network), "network"));
    return row;
  });
  return el("ol", { class: "cr-histogram" }, ...rows);
}

// The teaching text, and where the picture comes from.
export function lesson({ text, source, licence, network }) {
  const origin = [source, licence].filter(Boolean).join(" · ");
  return el(
    "div", { class: "cr-lesson" },
    text && el("p", { text }),
    !network && el("p", { class: "mm-note", text: say("class.noNetwork") }),
    network?.refused && el("p", { class: "cr-warning", text: say("class.refused") }),
    origin && el("p", { class: "mm-note", text: origin }),
  );
}

function share([right, of]) {
  return of ? right / of : null;
}

// The results of a session.
export function results(view) {
  const { results: all, classes } = view, label = (name) => term(classes.find((entry) => entry.name === name)?.label ?? "–");
  const heading = (key) => el("h2", { text: say(key) });
  const figure = (key, pair, kind = "") =>
    el("div", { class: `cr-figure ${kind}` }, el("strong", { text: percent(share(pair)) }), el("span", { text: say(key) }), el("small", { text: say("class.of", { right: pair[0], of: pair[1] }) }));
  const cells = (tag, ...texts) => el("tr", {}, ...texts.map((text) => el(tag, { text })));
  const sign = (right) => (right ? "✓" : "✗");
  const cases = all.cases.map((result) =>
    cells(
      "td", result.position + 1, label(result.truth), tally(result.tally),
      result.vote == null ? "–" : `${sign(result.vote === result.truth)} ${label(result.vote)}`,
      result.network == null ? "–" : `${sign(result.network === result.truth)} ${label(result.network)}`,
      percent(result.overlap),
    ),
  );
  const head = ["class.case.short", "class.truth", "class.result.students", "class.result.vote", "class.network", "class.overlap.short"];
  const table = (head, rows) => el("div", { class: "cr-scroll", tabindex: "0" }, el("table", {}, el("thead", {}, cells("th", ...head.map((key) => say(key)))), el("tbody", {}, ...rows)));
  return el(
    "div", { class: "cr-results" },
    heading("class.result.against"),
    el("div", { class: "cr-figures" }, figure("class.result.students", all.students), figure("class.result.vote", all.vote), figure("class.result.network", all.network, "cr-network")),
    el("p", { text: say("class.result.differ", all.differences) }),
    heading("class.result.classes"),
    table(["class.result.class", "class.result.students", "class.network"], all.classes.map((entry) => cells("td", label(entry.name), tally(entry.students), tally(entry.network)))),
    heading("class.result.confidence"),
    el("div", {}, ...Object.entries(all.confidence).map(([level, pair]) => bar(say(`class.confidence.${level}`), share(pair), tally(pair)))),
    heading("class.result.cases"),
    table(head, cases),
  );
}
