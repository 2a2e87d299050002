// The deck editor: pictures, their truths and texts, their order; a ZIP out, a ZIP in. Pictures lie in the server's memory
// for minutes; what they came from is kept here, and sent again when the server has forgotten them.

import { classesOf, follow } from "./classes.js";
import { node } from "./dom.js";
import { save } from "./save.js";
import { address, hold } from "./server.js";

const OWN = "own";
const LANGUAGES = ["en", "de"];
const LIMITS = { title: 120, text: 2000, source: 500, licence: 200 };

export class Editor {
  // learn: the tab, which shows nodes, words errors and knows the tasks.
  constructor(learn) {
    Object.assign(this, { learn, words: learn.words });
    this.deck = { title: "", language: LANGUAGES.includes(this.words.language) ? this.words.language : "en", cases: [] };
    this.own = { task: OWN, classes: [] }; // what the deck asks if it is no question of the network's
    this.asked = learn.tasks.length ? questionOf(learn.tasks[0]) : this.own;
    this.edits = this.kept = 0; // the edits so far, and how many of them are in a ZIP or discarded
    this.origins = new WeakMap(); // of each case: {file}, or {zip, index} of its picture
    this.thumbnails = new WeakMap(); // of each case: its picture as shown
  }

  get isOpen() {
    return Boolean(this.list?.isConnected);
  }

  // There is work that no ZIP holds.
  get isDirty() {
    return this.edits > this.kept;
  }

  open() {
    const { learn, words } = this;
    this.pictures = this.file("editor.add", { multiple: true }, (files) => this.add(files));
    this.zip = this.file("editor.open", { accept: ".zip" }, (files) => this.load(files[0]));
    this.list = node("ol", { className: "mm-cases" });
    this.status = node("p", { className: "mm-note", role: "status", data: { part: "editor-status" } });
    this.form = node("div", { className: "mm-deck-form" });
    const change = ({ target }) => target.type !== "file" && (this.edits += 1);
    learn.show(node("section", { className: "mm-editor", oninput: change, onchange: change },
      node("h2", {}, words["editor.title"]),
      node("p", { className: "mm-learn-intro" }, words["editor.hint"]),
      this.form,
      node("p", { className: "mm-line" }, learn.button("editor.add", () => this.pictures.click(), "mm-primary"),
        learn.button("editor.open", () => this.zip.click()), this.pictures, this.zip),
      this.list,
      node("p", { className: "mm-line" }, learn.button("editor.save", () => this.save()),
        learn.button("editor.try", () => this.try()), learn.button("editor.close", () => this.close(), "mm-link")),
      this.status,
    ));
    this.draw();
  }

  close() {
    if (!this.mayDiscard()) return;
    this.kept = this.edits;
    this.learn.choose();
  }

  mayDiscard() {
    return !this.isDirty || confirm(this.words["editor.discard"]);
  }

  file(key, properties, act) {
    const input = node("input", { type: "file", hidden: true, ...properties, data: { part: key.replace(".", "-") } });
    input.setAttribute("aria-label", this.words[key]);
    input.onchange = () => (act([...input.files]), (input.value = ""));
    return input;
  }

  // The classes to choose from; the network's are labelled as elsewhere on the page, whatever the deck calls them.
  get choices() {
    const { asked, own, learn } = this, known = learn.tasks.find(({ name }) => name === asked.task);
    return (asked !== own && known ? known : asked).classes;
  }

  // A truth outlives a question that does not have it among its classes: the next one may.
  hasTruth({ truth }) {
    return this.choices.some(({ name }) => name === truth);
  }

  // Files that were dropped: a deck is opened, pictures are added.
  take(files) {
    const zip = files.find(({ name }) => name.toLowerCase().endsWith(".zip"));
    return zip ? this.load(zip) : this.add(files);
  }

  async add(files) {
    for (const file of files) {
      const token = await this.learn.attempt(() => hold(file, true));
      if (!token) break;
      const entry = { token, truth: "", text: "", source: "", licence: "" };
      this.origins.set(entry, { file });
      this.edits += 1;
      this.append(entry);
    }
  }

  // Behind the rows that are there: somebody may be writing in one of them.
  append(entry) {
    const { cases } = this.deck, before = this.list.querySelector("[data-act='editor.down']:disabled");
    if (before) before.disabled = false;
    else this.list.replaceChildren();
    cases.push(entry);
    this.list.append(this.row(entry, cases.length - 1));
  }

  async read(zip) {
    return (await this.learn.ask("drafts", zip)).json();
  }

  // A deck with all classes of a task asks the network's question; any other has classes of its own. Both keep their names,
  // labels and order.
  async load(zip) {
    if (!this.mayDiscard()) return;
    const read = await this.learn.attempt(() => this.read(zip));
    if (!read) return;
    read.cases.forEach((entry, index) => this.origins.set(entry, { zip, index }));
    const names = (classes) => classes.map(({ name }) => name).sort().join("\n");
    const { task, classes, ...deck } = read;
    const isKnown = this.learn.tasks.some((known) => known.name === task && names(known.classes) === names(classes));
    this.deck = deck;
    this.asked = { task, classes };
    this.own = isKnown ? { task: OWN, classes: [] } : this.asked;
    this.draw(); // a field that had the focus may report a change as it goes
    this.kept = this.edits;
  }

  field(key, value, act, limit) {
    const input = node("input", { type: "text", value, maxLength: limit, oninput: () => act(input.value), data: { field: key } });
    return node("label", { className: "mm-field" }, this.words[key], input);
  }

  select(key, options, act) {
    const select = node("select", { onchange: () => act(select.value), data: { field: key } }, ...options);
    return node("label", { className: "mm-field" }, this.words[key], select);
  }

  draw() {
    const { deck, words } = this;
    const languages = [...new Set([...LANGUAGES, deck.language])].map((code) => option(code, code, deck.language));
    const asked = this.asked === this.own ? OWN : this.asked.task;
    const tasks = this.learn.tasks.map(({ name, question }) => option(name, question, asked));
    this.form.replaceChildren(
      this.field("editor.deckTitle", deck.title, (title) => (deck.title = title.trim()), LIMITS.title),
      this.select("editor.language", languages, (language) => (deck.language = language)),
      this.select("editor.task", [...tasks, option(OWN, words["editor.own"], asked)], (name) => this.choose(name)),
    );
    this.offerClasses();
    this.list.replaceChildren(...deck.cases.map((entry, index) => this.row(entry, index)));
    if (!deck.cases.length) this.list.append(node("li", { className: "mm-note" }, words["editor.none"]));
  }

  choose(name) {
    const task = this.learn.tasks.find((known) => known.name === name);
    this.asked = task ? questionOf(task) : this.own;
    this.offerClasses();
    this.offerTruths();
  }

  offerClasses() {
    this.form.querySelector("label:has(textarea)")?.remove();
    if (this.asked === this.own) this.form.append(this.ownClasses());
  }

  ownClasses() {
    const { own } = this, text = () => own.classes.map(({ label }) => label).join("\n");
    const area = node("textarea", { rows: 3, value: text(), data: { field: "editor.classes" } });
    let lines = own.classes;
    area.oninput = () => (lines = follow(lines, area.value.split("\n")));
    area.onchange = () => {
      lines = own.classes = classesOf(lines, own.classes);
      area.value = text();
      this.offerTruths();
    };
    return node("label", { className: "mm-field" }, this.words["editor.classes"], area);
  }

  truths(entry) {
    return [option("", "–", entry.truth), ...this.choices.map(({ name, label }) => option(name, label, entry.truth))];
  }

  // In the rows that are there: the classes are left by a click, and what is clicked on must not be replaced under it.
  offerTruths() {
    const selects = this.list.querySelectorAll("[data-field='editor.truth']");
    this.deck.cases.forEach((entry, index) => selects[index].replaceChildren(...this.truths(entry)));
  }

  row(entry, index) {
    const { words, learn } = this, number = index + 1, last = this.deck.cases.length - 1;
    const picture = this.thumbnail(entry);
    picture.alt = learn.text("editor.picture", { number });
    const text = node("textarea", { rows: 2, value: entry.text, maxLength: LIMITS.text, data: { field: "editor.text" } });
    text.oninput = () => (entry.text = text.value);
    const act = (key, sign, work, disabled) => {
      const done = () => {
        work();
        this.edits += 1;
        this.draw();
        this.goOn(entry, key, index);
      };
      const button = node("button", { type: "button", disabled, title: words[key], onclick: done, data: { act: key } }, sign);
      button.setAttribute("aria-label", `${words[key]}: ${learn.text("editor.picture", { number })}`);
      return button;
    };
    const { cases } = this.deck, move = (by) => cases.splice(index + by, 0, ...cases.splice(index, 1));
    return node("li", {}, picture,
      node("div", { className: "mm-case-fields" },
        this.select("editor.truth", this.truths(entry), (truth) => (entry.truth = truth)),
        node("label", { className: "mm-field" }, words["editor.text"], text),
        this.field("editor.source", entry.source, (source) => (entry.source = source), LIMITS.source),
        this.field("editor.licence", entry.licence, (licence) => (entry.licence = licence), LIMITS.licence)),
      node("span", { className: "mm-case-acts" }, act("editor.up", "↑", () => move(-1), index === 0),
        act("editor.down", "↓", () => move(1), index === last), act("editor.delete", "×", () => cases.splice(index, 1), false)));
  }

  // The rows are new: the keyboard goes on at the same button of a moved case, or at the other one at an end of the list, and
  // after a deleted case at what follows it, or else at the last one.
  goOn(entry, key, place) {
    const { cases } = this.deck, index = cases.indexOf(entry);
    const row = this.list.children[index < 0 ? Math.min(place, cases.length - 1) : index];
    (row?.querySelector(`[data-act="${key}"]:enabled`) ?? row?.querySelector("[data-act]:enabled"))?.focus();
  }

  // One element for a case's whole life: the server may have forgotten the picture when the list is drawn again.
  thumbnail(entry) {
    if (!this.thumbnails.has(entry)) this.thumbnails.set(entry, node("img", { src: address(`learn/thumbnails/${entry.token}`) }));
    return this.thumbnails.get(entry);
  }

  async holdAgain() {
    const drafts = new Map();
    for (const entry of this.deck.cases) {
      const { file, zip, index } = this.origins.get(entry);
      if (zip && !drafts.has(zip)) drafts.set(zip, await this.read(zip));
      entry.token = zip ? drafts.get(zip).cases[index].token : await hold(file, true);
    }
  }

  // The ZIP as the server writes it, how many cases it holds, and up to which edit; null, with a sentence on the page, where
  // something is missing. Editing goes on while it is written.
  async zipped() {
    const missing = this.deck.cases.findIndex((entry) => !this.hasTruth(entry));
    return this.learn.attempt(async () => {
      if (missing >= 0) throw new Error(this.learn.text("editor.needsTruth", { number: missing + 1 }));
      const write = async () => {
        const { deck, asked, edits } = this, { length: count } = deck.cases;
        const title = deck.title || this.words["editor.title"];
        const response = await this.learn.ask("decks", { ...deck, title, ...asked });
        return { zip: await response.blob(), count, edits };
      };
      try {
        return await write();
      } catch (error) {
        if (!error.isGone) throw error;
        await this.holdAgain();
        return await write();
      }
    });
  }

  async save() {
    const written = await this.zipped();
    if (!written) return;
    save("deck.zip", "application/zip", written.zip);
    this.kept = Math.max(this.kept, written.edits); // later ones may have been discarded meanwhile
    this.status.textContent = this.learn.text("editor.saved", { count: written.count });
  }

  async try() {
    const written = await this.zipped();
    if (written) this.learn.start("quizzes", written.zip);
  }
}

function option(value, label, chosen) {
  return node("option", { value, selected: value === chosen }, label);
}

function questionOf({ name, classes }) {
  return { task: name, classes };
}
