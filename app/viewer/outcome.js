// What came of a quiz, as nodes: the score, confidence against truth, the network's errors, and the misses.

import { node } from "./dom.js";

const CONFIDENCES = ["sure", "fairly", "guess"];

// text(key, values) gives words; look(position) opens a case again.
export function outcome(found, quiz, labels, text, look) {
  const { all, network, student_beside: beside, network_wrong: wrong } = found;
  const tally = ({ right, count }) => text("learn.tally", { right, count });
  const row = (label, entry) => {
    const bar = node("span");
    bar.style.width = `${entry.count ? (entry.right / entry.count) * 100 : 0}%`;
    return node("li", {}, node("span", { className: "mm-label" }, label),
      node("span", { className: "mm-value" }, entry.count ? tally(entry) : "–"), node("span", { className: "mm-track" }, bar));
  };
  const list = (...rows) => node("ol", { className: "mm-bars mm-shares" }, ...rows);
  const levels = CONFIDENCES.map((name) => row(text(`learn.confidence.${name}`), found.by_confidence[name]));
  const classes = Object.entries(found.by_class).filter(([, entry]) => entry.count);
  const words = wrong.count ? text("learn.agreement.words", { ...wrong, agreed: found.agreed }) : text("learn.agreement.never");
  return [
    node("h2", { tabIndex: -1 }, text("learn.results")),
    node("p", { className: "mm-score", data: { part: "score" } }, text("learn.score", all)),
    network.count ? node("p", {}, text("learn.scoreNetwork", { ...network, yours: tally(beside) })) : node("p"),
    found.declined ? node("p", { data: { part: "declined" } }, text("learn.declined", { count: found.declined })) : null,
    node("div", { className: "mm-outcome" },
      node("section", { data: { part: "calibration" } }, node("h3", {}, text("learn.calibration")), list(...levels),
        node("p", { className: "mm-note" }, text("learn.calibration.few"))),
      node("section", {}, node("h3", {}, text("learn.byClass")), list(...classes.map(([name, entry]) => row(labels[name], entry)))),
      quiz.hasNetwork && network.count
        ? node("section", { data: { part: "agreement" } }, node("h3", {}, text("learn.agreement")), node("p", {}, words)) : null,
      node("section", { data: { part: "misses" } }, node("h3", {}, text("learn.misses")), misses(found.misses, labels, text, look))),
  ];
}

function misses(list, labels, text, look) {
  if (!list.length) return node("p", {}, text("learn.noMisses"));
  return node("ul", {}, ...list.map(({ position, truth, choice }) => {
    const words = text("learn.miss", { number: position + 1, truth: labels[truth], choice: labels[choice] });
    return node("li", {}, node("button", { type: "button", className: "mm-link", onclick: () => look(position) }, words));
  }));
}
