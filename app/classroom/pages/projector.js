// The projector: large type for the whole room. The arrow key to the right takes the next step.

import { pressed } from "../../viewer/keys.js";
import { histogram, lesson, mapped, results } from "./figures.js";
import { begin, button, el, labelOf, percent, questionOf, recall, redraw, remember, say, sentence, setAddress } from "./page.js";
import { Pane } from "./pane.js";
import { Room, secondsLeft } from "./room.js";
import { joinLink, showQrCode, takeStep } from "./teaching.js";

const page = document.getElementById("page");
const [code, given] = location.hash.slice(1).split("."); // another computer's projector has the key in its link
const KEPT = `medmamba-projector-${code}`;
if (given) { // the whole class could read it in the address: from here on only this tab knows it
  remember(KEPT, given, "sessionStorage");
  setAddress(`#${code}`);
}
const settings = await begin("class.projector.title");
document.getElementById("strip").textContent = say("strip");
const key = given ?? recall(KEPT, "sessionStorage") ?? recall(`medmamba-room-${code}`)?.key;
const room = new Room(code, key, "teacher");
const line = el("p", { class: "cr-status", role: "status" });
const qr = el("img", { class: "cr-qr", alt: say("class.qr") });

let view = null, pane = null;

if (key) room.follow({ show, offline: (yes) => (line.textContent = yes ? say("class.error.offline") : ""), gone: lost });
else lost({ key: "class.error.gone" });
addEventListener("hashchange", () => location.reload());

function lost(problem) {
  page.replaceChildren(el("p", { class: "cr-warning", text: sentence(problem) }));
}

function show(next) {
  if (view?.position !== next.position) pane = null;
  view = next;
  const parts = { lobby, open, closed, revealed, ended }[view.state]();
  redraw(page, header(), el("div", { class: `cr-stage cr-stage-${view.state}` }, ...parts.filter(Boolean)), footer());
}

function header() {
  const at = view.position < 0 || view.state === "ended" ? "" : say("class.case", { number: view.position + 1, count: view.cases });
  const invitation = ["lobby", "ended"].includes(view.state) ? null : el("span", { class: "cr-code-small", text: `${say("class.join.code")} ${view.code}` });
  return el("header", { class: "cr-header" }, el("h1", { text: view.title, lang: view.language }), el("span", { text: at }), el("span", { class: "cr-left", "data-left": true }), invitation);
}

function footer() {
  const whole = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  const onward = view.forward && button(`${say(`class.step.${view.forward}`)} →`, () => forward(), "mm-primary", { "data-forward": true });
  return el("footer", { class: "cr-footer" }, line, button(say("class.fullscreen"), whole), ...settings, onward);
}

async function forward() {
  line.textContent = "";
  try {
    await takeStep(room, view, view.forward);
  } catch (problem) {
    line.textContent = sentence(problem);
  }
}

addEventListener("keydown", (event) => {
  const isOnward = ["ArrowRight", "PageDown"].includes(pressed(event)); // presenters' remotes send PageDown
  if (!isOnward || event.repeat || !view?.forward || event.target.closest?.(".cr-scroll")) return;
  event.preventDefault();
  forward();
});

function lobby() {
  const names = view.names && el("ul", { class: "cr-names" }, ...view.students.map(({ label }) => el("li", { text: label })));
  showQrCode(room, qr);
  const link = joinLink(view.code).replace(/^https?:\/\//, "").replace(/#.*/, "");
  return [
    qr,
    el(
      "div", { class: "cr-invitation" },
      el("p", { text: say("class.lobby.go") }), el("p", { class: "cr-link", text: link }),
      el("p", { text: say("class.lobby.code") }), el("p", { class: "cr-code", text: view.code }),
      el("p", { class: "cr-count", "aria-live": "polite", text: say("class.joined", { count: view.joined }) }),
      names,
    ),
  ];
}

function picture() {
  if (!pane) {
    pane = new Pane({ label: say("class.picture") });
    pane.show(view.picture);
  }
  return pane.element;
}

function question() {
  return el("h2", { text: questionOf(view), tabindex: "-1" });
}

function open() {
  const choices = el("ol", { class: "cr-list" }, ...view.classes.map((entry) => el("li", { text: labelOf(entry) })));
  const count = el("p", { class: "cr-count", text: say("class.answered", { count: view.answered, of: view.joined }) });
  return [picture(), el("div", {}, question(), choices, count)];
}

function closed() {
  return [picture(), el("div", {}, question(), histogram(view))];
}

function revealed() {
  const { reveal } = view, panes = [];
  const looked = (caption, values, reference, colours) => {
    const shown = new Pane({ label: caption, caption });
    shown.show(view.picture);
    shown.layer(values, reference, colours);
    panes.push(shown.element);
  };
  if (reveal.heat) looked(say("class.looked.you", { count: reveal.marks }), reveal.heat, 1, "inferno");
  const evidence = reveal.network?.evidence;
  if (evidence) looked(say("class.looked.network", { label: mapped(reveal.network, view.classes) }), evidence.values, evidence.reference, "cividis");
  if (!panes.length) panes.push(picture());
  const overlap = reveal.overlap != null && el("p", { class: "cr-overlap", text: say("class.overlap", { overlap: percent(reveal.overlap) }) });
  return [
    el("div", { class: "cr-looking" }, el("div", { class: "cr-panes" }, ...panes), overlap, lesson(reveal, view.language)),
    el("div", {}, question(), histogram(view)),
  ];
}

function ended() {
  return [results(view)];
}

setInterval(() => {
  const left = view?.state === "open" ? secondsLeft(view) : null, clock = page.querySelector("[data-left]");
  if (clock) clock.textContent = left == null ? "" : say("class.seconds", { left });
  if (left === 0) room.poll();
}, 500);
