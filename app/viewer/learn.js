// The Learn tab: decks to choose from, one case at a time, and what came of it. The server knows the truth; this does not,
// until an answer is committed.

import { fill, node } from "./dom.js";
import { catchDrops } from "./drops.js";
import { Editor } from "./editor.js";
import { dropped } from "./files.js";
import { pressed } from "./keys.js";
import { showHelp } from "./page.js";
import { Picture } from "./picture.js";
import { outcome } from "./outcome.js";
import { save } from "./save.js";
import { address, learn } from "./server.js";
import { Viewer } from "./viewer.js";

const CONFIDENCES = ["guess", "fairly", "sure"];
const STEP = 0.02; // of the picture's side, for a mark moved by keys

export class Learn {
  constructor(element, words) {
    Object.assign(this, { element, words, text: (key, values) => fill(words[key], values) });
    this.tasks = []; // what a deck may ask of the network
    this.visit = 0; // what arrives late for a screen or a case that was left is dropped
    this.isRunning = false; // a quiz with answers whose results have not been seen
    addEventListener("beforeunload", (event) => (this.isRunning || this.editor?.isDirty) && event.preventDefault());
    const take = async (transfer) => this.editor.take((await dropped(transfer)).map(({ file }) => file));
    catchDrops(element, (transfer) => this.attempt(() => take(transfer)), () => this.editor?.isOpen);
  }

  ask(path, body) {
    return learn(path, body);
  }

  // Shows nodes instead of what was there; the error line comes first.
  show(...nodes) {
    this.visit += 1;
    this.error = node("p", { className: "mm-error", role: "alert", hidden: true, data: { part: "learn-error" } });
    this.element.replaceChildren(this.error, ...nodes.filter(Boolean));
  }

  // Runs something that may fail with a sentence of the server's. From a quiz, which the server may know no longer, there
  // is a way out beside it.
  async attempt(act) {
    this.error.hidden = true;
    try {
      return await act();
    } catch (error) {
      this.error.replaceChildren(error.message, ...(this.panel?.isConnected ? [" ", this.others("mm-link")] : []));
      this.error.hidden = false;
      this.error.scrollIntoView({ block: "nearest" });
      return null;
    }
  }

  others(className) {
    return this.button("learn.others", () => this.choose(), className);
  }

  button(key, act, className = "") {
    return node("button", { type: "button", className, onclick: act }, this.words[key]);
  }

  async choose() {
    this.finished = this.isRunning = false;
    const list = node("ul", { className: "mm-decks", "aria-label": this.words["learn.decks"] });
    const file = node("input", { type: "file", accept: ".zip", hidden: true, data: { part: "deck" } });
    file.setAttribute("aria-label", this.words["learn.open"]);
    file.onchange = () => {
      const [deck] = file.files;
      file.value = ""; // the same file may be chosen again, mended
      if (deck) this.start("quizzes", deck);
    };
    const buttons = [
      this.button("learn.open", () => file.click()),
      this.button(this.editor?.isDirty ? "learn.makeOn" : "learn.make", () => this.edit()),
    ];
    this.show(
      node("h2", {}, this.words["learn.title"]),
      node("p", { className: "mm-learn-intro" }, this.words["learn.intro"]),
      list,
      node("p", { className: "mm-line" }, ...buttons, file),
    );
    const found = await this.attempt(async () => (await this.ask("decks")).json());
    if (!found) return;
    this.tasks = found.tasks;
    list.append(...found.decks.map((deck) => this.entry(deck)));
    if (!found.decks.length) list.append(node("li", {}, this.words["learn.noDecks"]));
  }

  // A deck that has not been saved yet is still there after it has been tried.
  edit() {
    if (!this.editor?.isDirty) this.editor = new Editor(this);
    this.editor.open();
  }

  entry(deck) {
    const start = this.button("learn.start", () => this.start(`quizzes?deck=${encodeURIComponent(deck.name)}`, {}), "mm-primary");
    start.setAttribute("aria-label", `${this.words["learn.start"]}: ${deck.title}`);
    const about = `${this.text("learn.cases", { count: deck.cases })} · ${deck.language.toUpperCase()}`;
    const title = node("strong", { lang: deck.language }, deck.title);
    return node("li", { data: { deck: deck.name } }, node("span", {}, title, node("small", {}, about)), start);
  }

  // `again` is how the same deck is started once more.
  async start(path, body) {
    const visit = ++this.visit;
    const quiz = await this.attempt(async () => (await this.ask(path, body)).json());
    if (!quiz || visit !== this.visit) return;
    Object.assign(this, { quiz, again: () => this.start(path, body) });
    this.labels = Object.fromEntries(quiz.classes.map(({ name, label }) => [name, label]));
    this.layOut();
    this.visitCase(0);
  }

  // The panel stays for the whole quiz. The viewer beside it stays for good, since it listens to the keys of the whole page.
  layOut() {
    this.viewer ??= this.makeViewer();
    this.viewer.clear(false);
    this.panel = node("section", { className: "mm-learn-panel" });
    this.panel.setAttribute("aria-live", "polite");
    this.show(node("div", { className: "mm-learn-quiz" }, this.viewer.element, this.panel));
  }

  makeViewer() {
    const viewer = new Viewer(node("div", { className: "mm-viewer" }), this.words, {
      ask: () => {},
      frame: () => {},
      trust: () => {},
      step: (by) => by > 0 && this.panel.querySelector("[data-part=next]")?.click(),
      help: () => showHelp(this.words, ["c", "x"]),
      point: (place) => this.setMark(place),
    });
    viewer.part("stage").addEventListener("keydown", (event) => this.key(event));
    return viewer;
  }

  key(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const key = pressed(event), by = moves[key], from = this.draft?.mark;
    if (key === "m") this.setMark(from ? null : [...this.viewer.view.centre]);
    else if (by && from) this.setMark(from.map((share, i) => Math.min(1, Math.max(0, share + by[i]))));
    else return;
    event.preventDefault();
  }

  setMark(place) {
    if (!this.draft) return;
    this.draft.mark = place;
    this.viewer.look.mark = place;
    this.viewer.draw();
    this.panel.querySelector("[data-part=unmark]").hidden = !place;
  }

  async visitCase(position) {
    const visit = ++this.visit, path = `quizzes/${this.quiz.quiz}/${position}`;
    this.position = position;
    this.draft = null;
    this.panel.replaceChildren(this.heading());
    this.viewer.look.mark = null;
    this.viewer.clear(true);
    this.viewer.busy(this.words["busy.reading"]);
    const shown = await this.attempt(async () => (await this.ask(path)).json());
    const source = shown && { ...shown.picture, address: address(`learn/${path}/samples`) };
    const picture = source && (await this.attempt(() => Picture.fetch(source)));
    if (visit !== this.visit) return;
    this.viewer.busy(null);
    if (picture) {
      this.viewer.show(picture);
      this.viewer.act("pan");
      if (shown.response) this.reveal(shown);
      else this.question();
    } else this.panel.append(this.onward());
    // The button that led here is gone: keyboard and screen reader go on at the case, not at the top of the page.
    if (document.activeElement === document.body) this.panel.querySelector("h2").focus({ preventScroll: true });
  }

  heading() {
    const where = this.text("learn.case", { number: this.position + 1, count: this.quiz.count });
    return node("header", {}, node("p", { className: "mm-eyebrow" }, where, " · ",
      node("span", { lang: this.quiz.language }, this.quiz.title)),
      node("h2", { tabIndex: -1 }, this.quiz.question));
  }

  question() {
    this.draft = { choice: null, confidence: null, mark: null };
    const commit = this.button("learn.commit", () => this.commit(), "mm-primary");
    Object.assign(commit, { disabled: true });
    commit.dataset.part = "commit";
    const unmark = this.button("learn.unmark", () => this.setMark(null), "mm-link");
    Object.assign(unmark, { hidden: true });
    unmark.dataset.part = "unmark";
    const choose = (name) => (event) => {
      this.draft[name] = event.target.value;
      commit.disabled = !(this.draft.choice && this.draft.confidence);
    };
    const levels = CONFIDENCES.map((name) => ({ name, label: this.words[`learn.confidence.${name}`] }));
    this.panel.append(
      this.options("choice", this.quiz.classes, choose("choice")),
      this.options("confidence", levels, choose("confidence")),
      node("p", { className: "mm-note" }, this.words["learn.mark"], " ", unmark),
      node("p", { className: "mm-line" }, commit, this.position ? this.stop() : null),
    );
  }

  options(name, choices, act) {
    const rows = choices.map((choice) => {
      const radio = node("input", { type: "radio", name: `mm-learn-${name}`, value: choice.name, onchange: act });
      return node("label", {}, radio, node("span", {}, choice.label));
    });
    return node("fieldset", { className: `mm-options mm-${name}` }, node("legend", {}, this.words[`learn.${name}`]), ...rows);
  }

  async commit() {
    const path = `quizzes/${this.quiz.quiz}/${this.position}`, { draft, visit } = this;
    const button = this.panel.querySelector("[data-part=commit]");
    button.disabled = true;
    const said = (await this.attempt(async () => (await this.ask(path, draft)).json())) ?? (await this.answered(path));
    if (visit !== this.visit) return;
    if (said) {
      this.error.hidden = this.isRunning = true;
      this.reveal(said);
    } else button.disabled = false;
    (said ? this.panel.querySelector("[data-part=next]") : button).focus({ preventScroll: true });
  }

  // An answer may have arrived although the reply to it did not, and is final then; null: it has not, or nobody knows.
  async answered(path) {
    const shown = await this.ask(path).then((response) => response.json()).catch(() => null);
    return shown?.response ? shown : null;
  }

  async reveal(said) {
    const visit = this.visit, { response } = said;
    this.draft = null;
    this.viewer.look.mark = response.mark;
    this.viewer.draw();
    const network = node("section", { className: "mm-learn-network", data: { part: "network" } },
      node("h3", {}, this.words["learn.network"]), node("p", { className: "mm-note" }, this.words["learn.network.waiting"]));
    this.panel.replaceChildren(this.heading(), this.verdict(said), network, this.onward());
    const path = `quizzes/${this.quiz.quiz}/${this.position}/network`;
    const opinion = await this.attempt(async () => (await this.ask(path)).json());
    if (visit !== this.visit) return;
    network.lastChild.remove();
    if (opinion) network.append(...this.opinion(opinion, said));
    if (opinion?.evidence) this.viewer.explain(opinion.evidence);
  }

  verdict(said) {
    const truth = this.labels[said.truth], { choice, confidence } = said.response;
    const level = this.words[`learn.confidence.${confidence}`];
    return node("section", { className: `mm-band mm-verdict ${said.right ? "mm-band-likely" : "mm-verdict-wrong"}` },
      node("strong", {}, this.text(said.right ? "learn.right" : "learn.wrong", { truth })),
      node("small", {}, this.text("learn.said", { choice: this.labels[choice], confidence: level })),
      said.text ? node("p", { className: "mm-teaching", lang: this.quiz.language }, said.text) : null,
      said.source ? node("small", {}, said.source) : null);
  }

  opinion(opinion, said) {
    const parts = opinion.words.map((words) => node("p", {}, words));
    const shares = Object.entries(opinion.probabilities).sort((one, other) => other[1] - one[1]);
    if (!shares.length) return opinion.choice
      ? [node("p", {}, this.text("learn.network.no_probabilities", { choice: this.labels[opinion.choice] })), ...parts] : parts;
    const rows = shares.map(([name, share]) => {
      const tags = [name === said.truth && "learn.truth", name === said.response.choice && "learn.yours"].filter(Boolean);
      const bar = node("span");
      bar.style.width = `${(share * 100).toFixed(2)}%`;
      return node("li", {}, node("span", { className: "mm-label" }, this.labels[name],
        ...tags.map((key) => node("em", { className: "mm-tag" }, this.words[key]))),
      node("span", { className: "mm-value" }, opinion.percents[name]), node("span", { className: "mm-track" }, bar));
    });
    return [...parts, node("ol", { className: "mm-bars mm-shares" }, ...rows)];
  }

  // What comes after this case: the next one, what came of it, or back there.
  onward() {
    const last = this.position + 1 === this.quiz.count;
    const [key, act] = this.finished ? ["learn.back", () => this.results()]
      : last ? ["learn.finish", () => this.results()] : ["learn.next", () => this.visitCase(this.position + 1)];
    const next = this.button(key, act, "mm-primary");
    next.dataset.part = "next";
    return node("p", { className: "mm-line" }, next, last || this.finished ? null : this.stop());
  }

  stop() {
    return this.button("learn.stop", () => this.results(), "mm-link");
  }

  async results() {
    const found = await this.attempt(async () => (await this.ask(`quizzes/${this.quiz.quiz}/results`)).json());
    if (!found) return;
    this.finished = true;
    this.isRunning = false;
    const look = (position) => (this.layOut(), this.visitCase(position));
    const restart = () => ((this.finished = false), this.again());
    const left = found.all.count < this.quiz.count; // cases are answered in order
    const goOn = () => ((this.finished = false), this.layOut(), this.visitCase(found.all.count));
    this.show(...outcome(found, this.quiz, this.labels, this.text, look), node("p", { className: "mm-line" },
      left ? this.button("learn.next", goOn, "mm-primary") : null, this.button("learn.csv", () => this.saveTable()), this.button("learn.again", restart),
      this.others()));
    this.element.querySelector("h2").focus();
  }

  async saveTable() {
    const table = await this.attempt(async () => (await this.ask(`quizzes/${this.quiz.quiz}/table`)).text());
    if (table) save("medmamba-quiz.csv", "text/csv", table);
  }
}
