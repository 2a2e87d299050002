// The page: joins the viewer, the cases and the server. Gradio's gr.HTML components call the mount functions.

import { Batch } from "./batch.js";
import { hasCameraProgram, photograph } from "./camera.js";
import { Cases } from "./cases.js";
import { stayOnDrops } from "./drops.js";
import { Examples } from "./examples.js";
import { named } from "./files.js";
import { Learn } from "./learn.js";
import { opener } from "./opener.js";
import { language, mountHeader as fillHeader, showHelp } from "./page.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { Prevalence } from "./prevalence.js";
import { Questions } from "./questions.js";
import { save } from "./save.js";
import { address, texts } from "./server.js";
import { Viewer } from "./viewer.js";

const page = { ask: () => {}, forget: () => {}, ready: texts(language()) };
const hasPanel = new Promise((resolve) => (page.setPanel = resolve));
stayOnDrops();

// What is asked of the open picture; sent whole with every request, so that the server keeps no state of the page.
const question = { task: null, checkpoint: null, className: null, method: "grad-cam", stage: 4, anyway: false, sets: false };

export async function mountViewer(element, trigger, watch, props) {
  const words = await page.ready, panel = await hasPanel;
  const root = element.querySelector(".mm-viewer");
  const viewer = new Viewer(root, words, {
    ask: (change) => page.ask(change),
    step: (by) => cases.step(by),
    frame: (frame) => ((cases.case.frame = frame), page.ask({})),
    trust: () => send("trust"),
    help: () => showHelp(words),
    pin: (on) => page.pin(on, words),
    part: (rectangle) => cases.cut(rectangle),
    close: () => cases.close(),
  });
  const examples = new Examples(words, (number) => cases.take(number));
  root.prepend(opener(words), examples.element);
  const cases = new Cases(root, {
    open: () => page.ask({ task: null, className: null, anyway: false }),
    empty: () => empty(),
    count: () => countCases(),
    busy: (key) => viewer.busy(words[key]),
    fail: (sentence, again) => fail(sentence, again),
    photo: hasCameraProgram() ? null : () => photograph(words, (file) => cases.add(named([file])), fail),
  });
  const questions = new Questions(trigger, () => {
    viewer.busy(null);
    fail(words["error.network"], () => page.ask({}));
  });
  // With what the last answer was asked for; a question that fails is taken back to it, or nothing could be asked any more of a
  // model that cannot answer.
  let answered = { ...question };
  // What was last asked about, and what is on the stage or on its way there: a token and a frame each.
  let asked = "", stage = { key: "", fetching: new AbortController(), shown: Promise.resolve() };

  const send = (event, more = {}) => {
    const { token, frame } = cases.case;
    questions.ask(event, { ...question, token, frame, language: words.language, ...more });
  };
  page.report = (format) => cases.case && send("report", { format, ...viewer.settings });
  const fail = (sentence, again) => {
    const line = root.querySelector("[data-part=error]");
    line.textContent = sentence ?? "";
    line.hidden = !sentence;
    if (!again) return;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: words["error.again"] });
    button.addEventListener("click", () => {
      fail(null);
      again();
    });
    line.append(" ", button);
  };

  page.forget = () => cases.forget();
  page.ask = (change) => {
    if (!cases.case) return;
    Object.assign(question, change);
    const key = keyOf(cases.case);
    if (key !== asked) blank(cases.case);
    asked = key;
    fail(null);
    viewer.busy(words["busy.reading"]);
    countCases();
    send("ask");
  };
  const takeBack = () => {
    const { task, checkpoint, className, anyway } = answered;
    Object.assign(question, panel.isEmpty ? { checkpoint } : { task, checkpoint, className, anyway });
    panel.takeBack();
  };
  // Takes away what belongs to another picture than the one that is asked about, or to another frame of it.
  const blank = (next) => {
    stage.fetching.abort();
    stage.key = "";
    panel.clear();
    viewer.explain(null);
    if (!next || viewer.picture?.token !== next.token) viewer.clear(Boolean(next));
  };
  const empty = () => {
    asked = "";
    questions.forget();
    blank(null);
    fail(null);
    viewer.busy(null);
    countCases();
    // What had the keyboard's focus goes with the picture.
    if (root.contains(document.activeElement)) root.querySelector("[data-open=file]").focus();
  };
  const countCases = () => {
    cases.remember();
    const line = root.querySelector("[data-part=cases]");
    line.hidden = cases.list.length < 2;
    line.querySelector("output").textContent = viewer.text("viewer.caseOf", {
      number: cases.current + 1,
      count: cases.list.length,
    });
    examples.mark(cases.case?.example);
  };

  // Puts a picture on the stage; several messages about one wait for the same samples.
  const stagePicture = (description) => {
    const key = keyOf(description);
    if (key === stage.key) return stage.shown;
    stage.fetching.abort();
    const fetching = new AbortController(), { token, frame } = description;
    const source = { ...description, address: address(`pictures/${token}/${frame}`) };
    const shown = Picture.fetch(source, fetching.signal).then((picture) => {
      fetching.signal.throwIfAborted();
      viewer.show(picture, viewer.picture?.token === picture.token);
    });
    stage = { key, fetching, shown };
    shown.catch(() => stage.shown === shown && (stage.key = ""));
    return shown;
  };

  watch("value", async () => {
    const message = props.value;
    if (message?.unanswered) return questions.giveUp();
    if (message?.report) saveReport(message.report);
    if (!message || !questions.take(message)) return;
    // An answer may come before the samples of its picture: nothing is done until both are there.
    viewer.busy(words[`busy.${message.progress}`] ?? (message.picture && words["busy.reading"]));
    if (message.error) {
      const tried = question.checkpoint;
      if (!message.panel && questions.isOfLatestQuestion(message)) takeBack();
      // A picture without an answer has no select; another model than the one that failed may have one for it.
      const isOther = panel.isEmpty && question.checkpoint !== tried;
      fail(message.error, isOther ? () => page.ask({}) : null);
      if (message.others && panel.isEmpty) panel.show(message.others);
      if (message.isGone && !viewer.picture) {
        cases.lose();
        fail(message.error); // the next one's question took it away
      }
    }
    if (message.trust) root.querySelector("[data-part=trust]").textContent = message.trust;
    if (!message.picture) return;
    try {
      await stagePicture(message.picture);
    } catch (error) {
      // Of the samples for an early message, the next one asks again.
      const isLast = message.progress === "done" && questions.isLatest(message.request);
      if (!isLast || error.name === "AbortError") return;
      viewer.busy(null);
      return fail(error.message, () => page.ask({}));
    }
    if (!questions.isLatest(message.request)) return;
    if (message.progress === "done") viewer.busy(null);
    const { panel: answer, evidence } = message;
    if (answer) {
      panel.show(answer);
      answered = { ...question };
    }
    // With an answer goes the map of the one before, whether its own is there yet or not; without classes there is none: null.
    if (answer || message.progress === "done") viewer.explain(evidence ?? null, Boolean(answer) && evidence === undefined);
  });
  cases.restore();
}

function keyOf({ token, frame }) {
  return `${token} ${frame}`;
}

export async function mountHeader(element, trigger, watch, props) {
  await fillHeader(element, await page.ready, props.value, () => page.forget());
}

export async function mountBatch(element, trigger, watch, props) {
  const words = await page.ready;
  const batch = new Batch(element.querySelector(".mm-batch"), words, (request) => trigger("run", request));
  watch("value", () => batch.receive(props.value));
}

export async function mountLearn(element) {
  new Learn(element.querySelector(".mm-learn"), await page.ready).choose();
}

export async function mountModels(element, trigger) {
  const { language } = await page.ready;
  element.addEventListener("click", (event) => event.target.closest("[data-scan]") && trigger("scan", { language }));
  trigger("scan", { language });
}

export async function mountStrip(element) {
  const words = await page.ready;
  element.innerHTML = `<p class="mm-strip" role="note">${words.strip} <span>${words["strip.more"]}</span></p>`;
}

export async function mountPanel(element) {
  // The answer that goes with a pinned picture stays below the pictures.
  page.pin = (on, words) => {
    document.querySelector(".mm-pinned")?.remove();
    if (!on) return;
    const kept = document.createElement("section");
    kept.className = "mm-pinned";
    kept.innerHTML = `<h3>${words["viewer.pinned"]}</h3>`;
    const parts = ".mm-recognised h2, .mm-question, .mm-refusal > :is(h3, p), p.mm-refusal, .mm-band, .mm-bars, [data-part=set], .mm-facts";
    for (const part of element.querySelectorAll(parts)) {
      kept.append(part.cloneNode(true));
    }
    for (const button of kept.querySelectorAll("button")) Object.assign(button, { disabled: true, tabIndex: -1 });
    document.querySelector(".mm-viewer").append(kept);
  };
  const words = await page.ready;
  page.setPanel(new Panel(element.querySelector(".mm-panel"), words));
  new Prevalence(element, words);
  element.addEventListener("click", (event) => {
    const { class: className, anyway, report } = event.target.closest("button")?.dataset ?? {};
    if (className) page.ask({ className });
    if (anyway) page.ask({ anyway: true });
    if (report) page.report(report);
  });
  element.addEventListener("change", (event) => {
    const { ask, sets } = event.target.dataset;
    if (sets) {
      question.sets = event.target.checked;
      element.querySelector("[data-part=set]").hidden = !question.sets;
    }
    if (ask === "task") page.ask({ task: event.target.value || null, className: null, anyway: false });
    if (ask === "checkpoint") page.ask({ checkpoint: event.target.value, task: null, className: null, anyway: false });
  });
}

function saveReport({ format, content }) {
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  save(`medmamba.${format}`, format === "pdf" ? "application/pdf" : "image/png", bytes);
}
