// A student's page: join, answer, wait, see.

import { histogram, lesson, mapped } from "./figures.js";
import { begin, button, el, labelIn, labelOf, percent, questionOf, recall, redraw, remember, say, sentence, setAddress, tally } from "./page.js";
import { Pane } from "./pane.js";
import { ask, Room, secondsLeft } from "./room.js";

const PLACE = "medmamba-place"; // {code, key}: this browser's place in a room
const LONGEST = 10000; // milliseconds until an answer whose connection hangs is sent again
const page = document.getElementById("page");
const settings = await begin("class.student.title");
document.getElementById("strip").textContent = say("strip");

let room = null, view = null, pane = null;
let draft = {}; // what has been chosen for the open case
let saved = 0; // when the server last took one from this page
let sending = null; // the answer that was chosen last
let sent = Promise.resolve(); // the one under way: the next waits for it, or the server might get them in another order
const status = el("p", { class: "cr-status", role: "status" });
const trouble = el("p", { class: "cr-warning", role: "alert", hidden: true }); // what was asked for in the menu and not done

const place = recall(PLACE), invited = location.hash.slice(1).toUpperCase();
if (place && (!invited || place.code === invited)) enter(place);
else joining();
addEventListener("hashchange", () => location.reload());

function joining(problem = null, invitation = invited) {
  const code = el("input", { id: "code", value: invitation, autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: "8", required: true });
  const name = el("input", { id: "name", autocomplete: "nickname", maxlength: "24", "aria-describedby": "kept" });
  const go = el("button", { class: "mm-primary", text: say("class.join.go") });
  const line = el("p", { class: "cr-warning", role: "alert", hidden: !problem, text: problem ? sentence(problem) : "" });
  const join = async (event) => {
    event.preventDefault();
    go.disabled = true; // a second press would take a second place
    try {
      const answer = await ask("POST", `rooms/${encodeURIComponent(code.value.trim() || "-")}/students`, { body: { name: name.value } });
      enter(await answer.json());
    } catch (problem) {
      Object.assign(line, { hidden: false, textContent: sentence(problem) });
      go.disabled = false;
    }
  };
  page.replaceChildren(
    el("header", { class: "cr-header" }, el("h1", { text: "MedMamba" }), ...settings),
    el(
      "form", { class: "cr-join", on: { submit: join } },
      el("h2", { text: say("class.join.title") }),
      el("label", { for: "code", text: say("class.join.code") }), code,
      el("label", { for: "name", text: say("class.join.name") }), name,
      el("p", { class: "mm-note", id: "kept", text: say("class.join.kept") }),
      line,
      go,
    ),
  );
  (invitation ? name : code).focus();
}

function enter({ code, key }) {
  remember(PLACE, { code, key });
  setAddress(`#${code}`); // the link to another room would be the wrong one when the page is loaded again
  complain(null);
  room = new Room(code, key, "student");
  room.follow({ show, offline: (yes) => yes ? tell("class.error.offline") : resume(), gone: (problem) => left(problem) });
}

function left(problem = null) {
  room.stop();
  remember(PLACE, null);
  view = pane = null;
  joining(problem);
}

// From a room that is over to another one: the answers stay, and so does the place until there is a new one.
function goOn() {
  room.stop();
  view = pane = null;
  joining(null, "");
}

function complain(problem) {
  Object.assign(trouble, { hidden: !problem, textContent: problem ? sentence(problem) : "" });
}

async function leave() {
  if (!confirm(say("class.leave.sure"))) return;
  complain(null);
  try {
    await room.leave();
  } catch (problem) {
    if (!problem.isGone) return complain(problem); // whoever is still in keeps the key, and can ask again
  }
  left();
}

async function forgetName() {
  complain(null);
  try {
    await room.ask("DELETE", "student/name");
    room.poll();
  } catch (problem) {
    complain(problem);
  }
}

// The server is back: what was chosen meanwhile goes out now, and what was saved before still is.
function resume() {
  if (view?.state === "open" && draft.unsent) send();
  else tellSaved();
}

function tellSaved() {
  tell(view?.state === "open" && view.answer ? "class.saved" : null);
}

function tell(key) {
  status.textContent = key ? say(key) : "";
}

function show(next) {
  const before = view;
  view = next;
  const isNew = before?.position !== view.position;
  if (isNew) pane = null;
  // Another tab of this browser may have answered since. A view that was asked for before this one did knows nothing of it yet.
  if (isNew || (!draft.unsent && view.asked > saved)) draft = { ...(view.answer ?? {}) };
  if (!draft.unsent || view.state !== "open") tellSaved();
  const parts = { lobby, open, closed, revealed, ended }[view.state]();
  redraw(page, header(), ...parts.filter(Boolean));
  if (before && before.state !== view.state) (page.querySelector("h2") ?? page.querySelector(".cr-frame"))?.focus();
  if (draft.unsent && view.state === "open" && before.state !== "open") send(); // it came too late, and now it does not
}

function header() {
  const menu = el(
    "details", { class: "cr-menu" },
    el("summary", {}, el("span", { text: view.label })),
    el("p", { class: "mm-note", text: say("class.join.kept") }),
    button(say("class.name.delete"), forgetName),
    button(say("class.leave"), leave),
    ...settings,
  );
  const isTitle = view.position < 0 || view.state === "ended";
  const at = isTitle ? view.title : say("class.case", { number: view.position + 1, count: view.cases });
  return el("header", { class: "cr-header" }, el("h1", { text: at, lang: isTitle && view.language }), el("span", { class: "cr-left", "data-left": true }), menu, trouble);
}

const heading = (text) => el("h2", { text, tabindex: "-1" });
const choice = (name) => labelIn(view.classes, name);

// Two columns on a wide screen.
function beside(left, right) {
  return el("div", { class: "cr-beside" }, el("div", {}, ...left), el("div", {}, ...right));
}

function lobby() {
  return [el("section", { class: "cr-wait" }, heading(say("class.wait.title", { name: view.label })), el("p", { text: say("class.wait.words") }), status)];
}

function picture() {
  if (!pane) {
    const remove = button(say("class.mark.remove"), () => change({ mark: null }), "mm-link", { "data-mark": true });
    const hint = el("p", { class: "mm-note", "data-hint": true }, say("class.mark.hint"), " ", remove);
    pane = new Pane({ label: say("class.picture"), hint, mark: (spot) => view.state === "open" && change({ mark: spot }) });
    pane.show(view.picture);
  }
  const { mark = null } = (view.state === "open" ? draft : view.answer) ?? {};
  pane.mark(mark);
  pane.element.querySelector("[data-hint]").hidden = view.state !== "open";
  pane.element.querySelector("[data-mark]").hidden = !mark;
  return pane.element;
}

function open() {
  const group = (key, entries, field) =>
    el(
      "fieldset", { class: `cr-choices cr-${field}` },
      el("legend", { text: key }),
      ...entries.map(([value, label]) => {
        const input = el("input", { type: "radio", name: field, value, on: { change: () => change({ [field]: value }) } });
        input.checked = draft[field] === value;
        return el("label", {}, input, el("span", { text: label }));
      }),
    );
  const sure = [1, 2, 3].map((level) => [level, say(`class.confidence.${level}`)]);
  const choices = group(questionOf(view), view.classes.map((entry) => [entry.name, labelOf(entry)]), "choice");
  return [beside([picture()], [choices, group(say("class.confidence"), sure, "confidence"), status])];
}

function change(part) {
  Object.assign(draft, part, { unsent: true });
  pane.mark(draft.mark);
  page.querySelector("[data-mark]").hidden = !draft.mark;
  send();
}

// An answer is sent as soon as it is complete, and again with every change: nobody forgets to send it.
async function send() {
  if (!draft.choice || !draft.confidence) return tell(draft.choice ? "class.need.confidence" : "class.need.choice");
  const turn = (sending = {});
  tell("class.saving");
  const { position } = view;
  await sent.catch(() => {});
  if (turn !== sending || position !== view?.position) return;
  const { choice, confidence, mark = null } = draft;
  try {
    await (sent = room.ask("PUT", `answers/${position}`, { body: { choice, confidence, mark }, signal: AbortSignal.timeout(LONGEST) }));
    if (turn !== sending || position !== view?.position) return;
    draft.unsent = false;
    saved = performance.now();
    tell("class.saved");
  } catch (problem) {
    if (turn !== sending) return;
    status.textContent = problem.status ? sentence(problem) : say("class.error.offline");
    if (problem.status === 409) room.poll();
    else if (!problem.status || problem.status >= 500) setTimeout(() => turn === sending && view?.state === "open" && send(), 1500);
  }
}

function closed() {
  const given = view.answer ? say("class.closed.answer", { answer: choice(view.answer.choice) }) : say("class.closed.none");
  return [picture(), el("section", { class: "cr-wait" }, heading(say("class.closed.title")), el("p", { text: given }), status)];
}

function revealed() {
  const { reveal, answer } = view, right = answer?.choice === reveal.truth;
  const verdict = !answer ? say("class.reveal.none") : right ? `✓ ${say("class.reveal.right")}` : `✗ ${say("class.reveal.wrong")}`;
  const truth = el("p", { class: "cr-truth", text: `${say("class.truth")}: ${choice(reveal.truth)}` }), panes = [picture()];
  const evidence = reveal.network?.evidence;
  if (evidence) {
    const seen = new Pane({ label: say("class.picture.map"), caption: say("class.map", { label: mapped(reveal.network, view.classes) }) });
    seen.show(view.picture);
    seen.layer(evidence.values, evidence.reference, "cividis");
    seen.mark(answer?.mark);
    panes.push(seen.element);
  }
  const bars = histogram({ classes: view.classes, reveal, own: answer?.choice });
  return [heading(verdict), truth, beside(panes, [bars, lesson(reveal, view.language), status])];
}

function ended() {
  const { own, students, network, declined, shown } = view.score;
  const average = students[1] ? percent(students[0] / students[1]) : "–";
  return [
    el(
      "section", { class: "cr-wait" },
      heading(say("class.ended.title")),
      own[1] > 0 && el("p", { class: "cr-score", text: tally(own) }),
      own[1] < shown && el("p", { text: say("class.ended.answered", { answered: own[1], count: shown }) }),
      el("p", { text: say("class.ended.class", { average }) }),
      network[1] > 0 && el("p", { text: say("class.ended.network", { tally: tally(network) }) }),
      declined > 0 && el("p", { text: say("class.result.declined", { count: declined }) }),
      button(say("class.join.other"), goOn, "mm-primary"),
      el("p", { class: "mm-note", text: say("class.ended.kept") }),
      button(say("class.leave"), leave),
      status,
    ),
  ];
}

setInterval(() => {
  const left = view?.state === "open" ? secondsLeft(view) : null, clock = page.querySelector("[data-left]");
  if (clock) clock.textContent = left == null ? "" : say("class.seconds", { left });
  if (left === 0) room.poll();
}, 500);
