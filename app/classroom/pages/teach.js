// The control page: open a room, lead it, keep its results, delete it.

import { save } from "../../viewer/save.js";
import { histogram, results } from "./figures.js";
import { begin, button, el, isShared, language, questionOf, recall, recalled, redraw, remember, say, sentence, setAddress } from "./page.js";
import { ask, Room, secondsLeft } from "./room.js";
import { joinLink, showQrCode, takeStep } from "./teaching.js";

const TIMES = [0, 15, 30, 45, 60, 90, 120, 180];
const KEEP = "medmamba-room-"; // + code: {key} of a room opened in this browser
const page = document.getElementById("page");
const settings = await begin("class.teach.title");
document.getElementById("strip").textContent = say("strip");
const line = el("p", { class: "cr-warning", role: "alert", hidden: true });
const qr = el("img", { class: "cr-qr", alt: say("class.qr") });

let room = null, view = null, projector = null;
let withNames = false;

const known = recall(KEEP + location.hash.slice(1));
if (known) enter(location.hash.slice(1), known.key);
else await choosing();
addEventListener("hashchange", () => location.reload());

function header(title, lang = false) {
  return el("header", { class: "cr-header" }, el("h1", { text: title, lang }), el("a", { href: "../", text: "MedMamba" }), ...settings);
}

function complain(problem) {
  Object.assign(line, { hidden: !problem, textContent: problem ? sentence(problem) : "" });
}

async function choosing() {
  let decks;
  try {
    decks = await (await ask("GET", "decks")).json();
  } catch (problem) {
    complain(problem);
    page.replaceChildren(header(say("class.teach.title")), line, button(say("error.again"), choosing), earlier());
    return;
  }
  complain(null);
  const list = el("select", { id: "deck" }, ...decks.map(({ name, title, cases }) => el("option", { value: name, text: say("class.deck.entry", { title, cases }) })));
  const own = el("option", { value: "", text: say("class.deck.own") });
  list.append(own);
  const file = el("input", { type: "file", id: "zip", accept: ".zip,application/zip" });
  const upload = el("p", { class: "cr-field" }, el("label", { for: "zip", text: say("class.deck.zip") }), file);
  const turn = () => (upload.hidden = list.value !== "");
  list.addEventListener("change", turn);
  turn();
  const time = el("select", { id: "seconds" }, ...TIMES.map((value) => el("option", { value, text: value ? say("class.seconds", { left: value }) : say("class.time.none") })));
  const names = el("input", { type: "checkbox", id: "names" });
  const go = el("button", { class: "mm-primary", text: say("class.open") });
  const open = async (event) => {
    event.preventDefault();
    complain(null);
    if (!list.value && !file.files.length) return complain({ key: "class.error.noFile" });
    Object.assign(go, { disabled: true, textContent: say("class.opening") });
    const query = new URLSearchParams({ deck: list.value, seconds: time.value, names: names.checked });
    try {
      const { code, key } = await (await ask("POST", `rooms?${query}`, { body: list.value ? null : file.files[0] })).json();
      remember(KEEP + code, { key });
      setAddress(`#${code}`);
      enter(code, key);
    } catch (problem) {
      complain(problem);
      Object.assign(go, { disabled: false, textContent: say("class.open") });
    }
  };
  const field = (label, input) => el("p", { class: "cr-field" }, el("label", { for: input.id, text: say(label) }), input);
  page.replaceChildren(
    header(say("class.teach.title")),
    el("p", { text: say("class.teach.words") }),
    el(
      "form", { class: "cr-open", on: { submit: open } },
      field("class.deck", list), upload, field("class.time", time),
      el("p", { class: "cr-check" }, names, el("label", { for: "names", text: say("class.names") })),
      el("p", { class: "mm-note", text: say("class.teach.kept") }),
      line, go,
    ),
    earlier(),
  );
}

// Rooms opened in this browser before.
function earlier() {
  const codes = recalled(KEEP).map((name) => name.slice(KEEP.length));
  if (!codes.length) return "";
  const links = codes.map((code) => el("li", {}, el("a", { href: `#${code}`, text: code })));
  return el("section", {}, el("h2", { text: say("class.earlier") }), el("ul", { class: "cr-earlier" }, ...links));
}

async function enter(code, key) {
  room = new Room(code, key, "teacher");
  projector = null; // of a room before this one, as is the QR code
  qr.removeAttribute("src");
  if (!isShared()) await lend().catch(complain); // the projector in another tab would find no key
  room.follow({
    show,
    offline: (yes) => complain(yes ? { key: "class.error.offline" } : null),
    gone: (problem) => forget(code).then(() => complain(problem)),
  });
}

// The room is no more.
function forget(code) {
  remember(KEEP + code, null);
  setAddress(location.pathname);
  view = null;
  return choosing();
}

async function remove() {
  if (!confirm(say("class.delete.sure"))) return;
  complain(null);
  try {
    await room.ask("DELETE", "");
  } catch (problem) {
    return complain(problem);
  }
  room.stop(); // a poll would be told that the room is gone, as if that were news
  forget(room.code);
}

async function act(work) {
  complain(null);
  try {
    await work();
    room.poll();
  } catch (problem) {
    complain(problem);
  }
}

function show(next) {
  view = next;
  redraw(
    page,
    header(view.title, view.language),
    line,
    el("div", { class: "cr-control" }, el("div", {}, lead(), current()), el("div", {}, invitation(), people())),
    keeping(),
  );
}

function lead() {
  const step = (name, kind = "") => button(say(`class.step.${name}`), () => act(() => takeStep(room, view, name)), kind, { "data-step": name });
  const at = view.position < 0 ? say("class.state.lobby") : `${say("class.case", { number: view.position + 1, count: view.cases })}: ${say(`class.state.${view.state}`)}`;
  const prepared = view.model
    ? say("class.prepared", { prepared: view.prepared, count: view.cases, model: view.model })
    : say("class.noNetwork");
  const finish = () => confirm(say("class.step.end.sure")) && act(() => takeStep(room, view, "end"));
  const others = el(
    "p", { class: "cr-row" },
    view.state === "closed" && step("reopen"),
    view.state !== "ended" && view.forward !== "end" && button(say("class.step.end"), finish, "", { "data-step": "end" }),
    el("a", { href: projectorLink(), target: "_blank", text: say("class.projector.open") }),
  );
  return el(
    "section", { class: "cr-card" },
    el("h2", { text: view.state === "ended" ? say("class.state.ended") : at, tabindex: "-1" }),
    ["open", "closed", "revealed"].includes(view.state) && el("p", { class: "cr-count" }, say("class.answered", { count: view.answered, of: view.joined }), " ", el("span", { "data-left": true })),
    view.forward && step(view.forward, "mm-primary cr-large"),
    others,
    el("p", { class: "mm-note", text: prepared }),
  );
}

function current() {
  if (view.state === "ended") return el("section", { class: "cr-card" }, results(view));
  if (!view.histogram) return "";
  return el("section", { class: "cr-card" }, el("h2", { text: questionOf(view) }), histogram(view));
}

function invitation() {
  showQrCode(room, qr);
  const link = joinLink(view.code), isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return el(
    "section", { class: "cr-card" },
    el("p", { class: "cr-code", text: view.code }),
    el("p", {}, el("a", { href: link, target: "_blank", text: link })),
    qr,
    isHere && el("p", { class: "cr-warning", text: say("class.localhost") }),
    button(say("class.projector.copy"), () => act(copyProjector)),
  );
}

// A key for the projector alone: the link to it stays in another computer's history.
async function lend() {
  projector ??= (await (await room.ask("POST", "projectors")).json()).key;
}

function projectorLink() {
  return `projector#${room.code}${projector ? `.${projector}` : ""}`;
}

async function copyProjector() {
  await lend();
  const projected = new URL(projectorLink(), location.href).href;
  try {
    await navigator.clipboard.writeText(projected);
  } catch { // only a page over https may copy
    prompt(say("class.projector.copy"), projected);
  }
}

function people() {
  const rows = view.students.map(({ number, label }) =>
    el("li", {}, el("span", { text: label }), label !== `#${number}` && button(say("class.name.remove"), () => act(() => room.ask("DELETE", `names/${number}`)), "mm-link", { "aria-label": say("class.name.removeOf", { name: label }) })),
  );
  const lock = button(say(view.locked ? "class.unlock" : "class.lock"), () => act(() => room.ask(view.locked ? "DELETE" : "PUT", "lock")), "", { "data-lock": true });
  return el(
    "section", { class: "cr-card" },
    el("h2", { text: say("class.joined", { count: view.joined }) }),
    view.state !== "ended" && el("p", { class: "cr-row" }, lock, view.locked && el("span", { class: "mm-note", text: say("class.locked") })),
    el("ul", { class: "cr-people", tabindex: "0", "aria-label": say("class.students") }, ...rows),
  );
}

function keeping() {
  const names = el("input", { type: "checkbox", id: "withNames", on: { change: (event) => (withNames = event.target.checked) } });
  names.checked = withNames;
  const download = (kind, type) => act(async () => {
    const response = await room.ask("GET", `results.${kind}?language=${language()}&names=${withNames}`);
    save(`medmamba-${view.code}.${kind}`, type, await response.blob());
  });
  const until = new Date(1000 * view.expires).toLocaleString(language(), { dateStyle: "medium", timeStyle: "short" });
  return el(
    "section", { class: "cr-card cr-keeping" },
    el("p", { class: "cr-row" },
      button(say("class.csv"), () => download("csv", "text/csv")),
      button(say("class.pdf"), () => download("pdf", "application/pdf")),
      el("span", { class: "cr-check" }, names, el("label", { for: "withNames", text: say("class.withNames") })),
      button(say("class.delete"), remove, "mm-end"),
    ),
    el("p", { class: "mm-note", text: say("class.expires", { until }) }),
  );
}

setInterval(() => {
  const left = view?.state === "open" ? secondsLeft(view) : null, clock = page.querySelector("[data-left]");
  if (clock) clock.textContent = left == null ? "" : say("class.seconds", { left });
  if (left === 0) room.poll();
}, 500);
