// The page: joins the viewer, the cases and the server. Gradio's gr.HTML components call the mount functions.

import { Batch } from "./batch.js";
import { hasCameraProgram, photograph } from "./camera.js";
import { Cases } from "./cases.js";
import { Examples } from "./examples.js";
import { Learn } from "./learn.js";
import { opener } from "./opener.js";
import { language, mountHeader as fillHeader, showHelp } from "./page.js";
import { Picture } from "./picture.js";
import { Prevalence } from "./prevalence.js";
import { save } from "./save.js";
import { address, texts } from "./server.js";
import { Viewer } from "./viewer.js";

const page = { ask: () => {}, ready: texts(language()) };

// What is asked of the open picture; sent whole with every request, so that the server keeps no state of the page.
const question = { task: null, checkpoint: null, className: null, method: "grad-cam", stage: 4, anyway: false, sets: false };
let request = 0;

export async function mountViewer(element, trigger, watch, props) {
  const words = await page.ready;
  const root = element.querySelector(".mm-viewer");
  const viewer = new Viewer(root, words, {
    ask: (change) => page.ask(change),
    step: (by) => cases.step(by),
    frame: (frame) => ((cases.case.frame = frame), page.ask({})),
    trust: () => send("trust"),
    help: () => showHelp(words),
    pin: (on) => page.pin(on, words),
  });
  const examples = new Examples(words, (number) => cases.take(number));
  root.prepend(opener(words), examples.element);
  const cases = new Cases(root, {
    open: () => page.ask({ task: null, className: null, anyway: false }),
    count: () => countCases(),
    busy: (key) => viewer.busy(words[key]),
    fail: (sentence, again) => fail(sentence, again),
    photo: hasCameraProgram() ? null : () => photograph(words, (file) => cases.add([file]), fail),
  });
  let shown = "", fetching = new AbortController();

  const send = (event, more = {}) => {
    request += 1;
    const { token, frame } = cases.case;
    trigger(event, { ...question, request, token, frame, language: words.language, ...more });
  };
  page.report = (format) => cases.case && send("report", { format, ...viewer.settings });
  const fail = (sentence, again) => {
    viewer.busy(null);
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

  page.ask = (change) => {
    if (!cases.case) return;
    Object.assign(question, change);
    const key = `${cases.case.token} ${cases.case.frame}`;
    if (key !== shown) viewer.explain(null);
    fail(null);
    viewer.busy(words["busy.reading"]);
    countCases();
    send("ask");
  };
  const countCases = () => {
    const line = root.querySelector("[data-part=cases]");
    line.hidden = cases.list.length < 2;
    line.querySelector("output").textContent = viewer.text("viewer.caseOf", {
      number: cases.current + 1,
      count: cases.list.length,
    });
    examples.mark(cases.case?.example);
  };

  watch("value", async () => {
    const message = props.value;
    if (!message || message.request !== request) return;
    viewer.busy(words[`busy.${message.progress}`]);
    if (message.error) return fail(message.error);
    if (message.report) saveReport(message.report);
    if (message.trust) root.querySelector("[data-part=trust]").textContent = message.trust;
    const { picture, evidence } = message;
    if (!picture) return;
    const key = `${picture.token} ${picture.frame}`;
    if (key !== shown) {
      fetching.abort();
      fetching = new AbortController();
      const sameFile = shown.startsWith(`${picture.token} `);
      shown = key;
      try {
        const source = { ...picture, address: address(`pictures/${picture.token}/${picture.frame}`) };
        viewer.show(await Picture.fetch(source, fetching.signal), sameFile);
      } catch (error) {
        if (error.name !== "AbortError") fail(error.message);
        return;
      }
    }
    if (message.request === request && evidence !== undefined) viewer.explain(evidence);
  });
}

export async function mountHeader(element, trigger, watch, props) {
  await fillHeader(element, await page.ready, props.value);
}

export async function mountBatch(element, trigger, watch, props) {
  const words = await page.ready;
  const batch = new Batch(element.querySelector(".mm-batch"), words, (request, tokens) =>
    trigger("run", { request, tokens, language: words.language, checkpoint: question.checkpoint }),
  );
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
  const empty = element.querySelector(".mm-empty p"), words = await page.ready;
  if (empty) empty.textContent = words["answer.empty"];
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
