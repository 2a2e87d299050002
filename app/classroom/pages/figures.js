// Bars and tables: how a class answered, what the network said, and the results of a session.

import { capitalised, el, labelIn, labelOf, number, percent, probability, say, tally, term } from "./page.js";

// A labelled bar. `share` 0..1; `value` in words; kind: "network" or "".
function bar(label, share, value, kind = "") {
  const track = el("span", { class: "cr-track" }, el("span", { class: kind && `cr-${kind}` }));
  track.firstChild.style.width = `${100 * (share ?? 0)}%`;
  return el("div", { class: "cr-bar" }, el("span", { class: "cr-label", text: label }), el("span", { class: "cr-value", text: value }), track);
}

// The answers by class; after the reveal with the truth and the network's probability beside each. own: a student's.
export function histogram({ classes, histogram: counts = null, reveal = null, own = null }) {
  const total = counts ? Object.values(counts).reduce((sum, count) => sum + count, 0) : 0;
  const rows = classes.map((entry) => {
    const { name } = entry;
    const isTrue = reveal?.truth === name, network = reveal?.network?.probabilities[name];
    const isNetworks = reveal?.network?.choice === name && network == null;
    const notes = [isTrue && say("class.truth"), own === name && say("class.yours"), isNetworks && say("class.network")].filter(Boolean);
    const row = el("li", { class: isTrue ? "cr-true" : "" });
    row.append(el("strong", { text: `${isTrue ? "✓ " : ""}${labelOf(entry)}` }), ...notes.map((text) => el("em", { text })));
    if (counts) row.append(bar(say("class.answers"), total ? counts[name] / total : 0, `${counts[name]}`));
    if (network != null) row.append(bar(say("class.network"), network, probability(network), "network"));
    return row;
  });
  return el("ol", { class: "cr-histogram" }, ...rows);
}

// The teaching text, which is in the deck's language, and where the picture comes from.
export function lesson({ text, source, licence, network }, lang) {
  const origin = [source, licence].filter(Boolean).join(" · ");
  return el(
    "div", { class: "cr-lesson" },
    text && el("p", { text, lang }),
    !network && el("p", { class: "mm-note", text: say("learn.network.none") }),
    network && refusal(network),
    origin && el("p", { class: "mm-note", text: origin }),
  );
}

// Whether the network would have answered; where that is the question, with the distance that it goes by.
function refusal({ probabilities, refused, distance, limit, recognised }) {
  if (isLikely(probabilities)) return refused && el("p", { class: "cr-warning", text: say("class.refused") });
  const places = { distance: number(distance, 2), limit: number(limit, 2) };
  const seen = recognised && say("learn.network.recognised", { modality: term(recognised[0]), percent: probability(recognised[1]) });
  return el("p", { text: [say(refused ? "learn.network.refused" : "learn.network.accepted", places), seen].filter(Boolean).join(" ") });
}

const isLikely = (probabilities) => Object.keys(probabilities).length > 0;

// What the network's map is of: its answer, or the kind of picture where the answer is not one that has a map.
export function mapped({ choice, probabilities, recognised }, classes) {
  return isLikely(probabilities) ? labelIn(classes, choice) : capitalised(term(recognised[0]));
}

function share([right, of]) {
  return of ? right / of : null;
}

// The results of a session.
export function results(view) {
  const { results: all, classes } = view, isHeard = all.network[1] > 0, label = (name) => labelIn(classes, name);
  const heading = (key) => el("h2", { text: say(key) });
  const figure = (key, pair, kind = "") =>
    el("div", { class: `cr-figure ${kind}` }, el("strong", { text: percent(share(pair)) }), el("span", { text: say(key) }), el("small", { text: say("class.of", { right: pair[0], of: pair[1] }) }));
  const cells = (tag, ...texts) => el("tr", {}, ...texts.map((text) => el(tag, { text })));
  const sign = (right) => (right ? "✓" : "✗");
  const cases = all.cases.map((result) =>
    cells(
      "td", result.position + 1, label(result.truth), tally(result.tally),
      result.vote == null ? "–" : `${sign(result.vote === result.truth)} ${label(result.vote)}`,
      result.declined ? say("class.declined") : result.network == null ? "–" : `${sign(result.network === result.truth)} ${label(result.network)}`,
      percent(result.overlap),
    ),
  );
  const head = ["class.case.short", "class.truth", "class.result.students", "class.result.vote", "class.network", "class.overlap.short"];
  const table = (head, rows) => el("div", { class: "cr-scroll", tabindex: "0" }, el("table", {}, el("thead", {}, cells("th", ...head.map((key) => say(key)))), el("tbody", {}, ...rows)));
  return el(
    "div", { class: "cr-results" },
    isHeard && heading("class.result.against"),
    el("div", { class: "cr-figures" }, figure("class.result.students", all.students), figure("class.result.vote", all.vote), isHeard && figure("class.result.network", all.network, "cr-network")),
    isHeard && el("p", { text: say("class.result.differ", all.differences) }),
    all.declined > 0 && el("p", { text: say("class.result.declined", { count: all.declined }) }),
    heading("class.result.classes"),
    table(["class.result.class", "class.result.students", "class.network"], all.classes.map((entry) => cells("td", label(entry.name), tally(entry.students), tally(entry.network)))),
    heading("class.result.confidence"),
    el("div", { class: "cr-levels" }, ...Object.entries(all.confidence).map(([level, pair]) => bar(say(`class.confidence.${level}`), share(pair), tally(pair)))),
    heading("class.result.cases"),
    table(head, cases),
  );
}
