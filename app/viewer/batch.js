// Many files: sends them a few at a time, fills a table, and writes it as CSV or JSON. Names never leave the browser, but for
// those inside a ZIP.

import { fill, node } from "./dom.js";
import { catchDrops } from "./drops.js";
import { dropped, named } from "./files.js";
import { icon } from "./icons.js";
import { percent } from "./numbers.js";
import { PATIENCE } from "./questions.js";
import { save } from "./save.js";
import { beginning, hold, letGo, models, unpack } from "./server.js";

const TOGETHER = 4; // files in one request
const TRIES = 30, PAUSE = 2000; // of one file at a full server, and milliseconds between them
const COLUMNS = ["number", "picture", "name", "modality", "class", "probability", "words", "notes"];
// Of a refused picture the table shows neither class nor probability, so that they place it nowhere.
const SORTABLE = { name: (row) => row.name.toLowerCase(), modality: (row) => row.modalityWords ?? "",
  class: (row) => (row.refused ? "" : row.classWords ?? ""),
  probability: (row) => (row.refused ? -1 : row.probability ?? -1), words: (row) => row.bandWords ?? "",
  notes: (row) => row.error ?? "", number: (row) => row.number };

export class Batch {
  // send(request) asks the server; its messages come to receive().
  constructor(element, words, send) {
    Object.assign(this, { element, words, send, rows: [], queue: [], expected: 0, order: { by: "number", down: false } });
    this.running = null; // the run that is going on, an object of its own for each
    this.isSaved = true; // what was found is on the visitor's disk, or there is nothing
    this.waiting = new Map();
    this.requests = 0;
    this.models = [];
    this.build();
    addEventListener("beforeunload", (event) => (this.running || !this.isSaved) && event.preventDefault());
    // Whenever the tab is opened: there may be another model since.
    new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.offer()).observe(element);
  }

  part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }

  build() {
    const { words } = this;
    const heads = COLUMNS.map((column) => {
      const text = words[`batch.${column}`];
      return `<th scope="col">${column in SORTABLE ? `<button type="button" data-sort="${column}">${text}</button>` : text}</th>`;
    });
    this.element.innerHTML = `
      <div class="mm-drop">
        <p class="mm-drop-title">${words["batch.title"]}</p>
        <p class="mm-drop-hint">${words["batch.hint"]}</p>
        <p class="mm-drop-buttons">
          <button type="button" class="mm-primary" data-do="choose">${icon("open")}${words["batch.choose"]}</button>
          <button type="button" data-do="folder">${icon("open")}${words["batch.folder"]}</button>
        </p>
        <p class="mm-line mm-choices">
          <label hidden>${words["batch.model"]}<select data-part="model"></select></label>
          <label hidden>${words["batch.question"]}<select data-part="question"></select></label>
        </p>
        <input type="file" data-part="files" multiple hidden aria-label="${words["batch.choose"]}">
        <input type="file" data-part="folder" webkitdirectory hidden aria-label="${words["batch.folder"]}">
      </div>
      <p class="mm-error" data-part="error" role="alert" hidden></p>
      <div class="mm-line" data-part="bar" hidden>
        <progress data-part="progress" aria-label="${words["batch.progress"]}"></progress>
        <span data-part="count" role="status"></span>
        <button type="button" data-do="cancel">${words["batch.cancel"]}</button>
        <span class="mm-line mm-end">
          <button type="button" data-do="csv">CSV</button>
          <button type="button" data-do="json">JSON</button>
          <button type="button" data-do="clear">${words["batch.clear"]}</button>
        </span>
      </div>
      <div class="mm-table" data-part="table" hidden tabindex="0" role="region" aria-label="${words["batch.table"]}">
        <table><thead><tr>${heads.join("")}</tr></thead><tbody></tbody></table>
      </div>`;
    this.element.addEventListener("click", (event) => {
      const { do: action, sort } = event.target.closest("[data-do], [data-sort]")?.dataset ?? {};
      if (sort) this.sort(sort);
      const acts = {
        choose: () => this.part("files").click(),
        folder: () => this.part("folder").click(),
        cancel: () => this.cancel(),
        clear: () => this.clear(),
        csv: () => this.save("medmamba.csv", "text/csv", this.csv()),
        json: () => this.save("medmamba.json", "application/json", this.json()),
      };
      acts[action]?.();
    });
    this.element.addEventListener("change", (event) => {
      if (event.target.matches("[data-part=model]")) this.offerQuestions();
      if (event.target.type !== "file") return;
      this.add(named(event.target.files));
      event.target.value = "";
    });
    catchDrops(this.element, (transfer) => {
      dropped(transfer).then((files) => this.add(files), ({ message }) => this.fail(message));
    });
  }

  // The models, and what can be asked of them; without an answer the network decides.
  async offer() {
    this.models = await models().catch(() => this.models);
    const select = this.part("model"), before = select.value;
    select.replaceChildren(...this.models.map(({ name, title }) => node("option", { value: name, selected: name === before }, title)));
    select.parentElement.hidden = !this.models.length;
    this.offerQuestions();
  }

  offerQuestions() {
    const select = this.part("question"), before = select.value;
    const { routed, tasks } = this.models.find(({ name }) => name === this.part("model").value) ?? { tasks: [] };
    const options = tasks.map(({ name, title }) => node("option", { value: name }, title));
    if (routed) options.unshift(node("option", { value: "" }, this.words["answer.router"]));
    select.replaceChildren(...options);
    if (tasks.some(({ name }) => name === before)) select.value = before;
    select.parentElement.hidden = options.length < 2;
  }

  // What comes while others are under way waits behind them.
  add(files) {
    this.queue.push(...files);
    this.expected += files.length;
    if (this.running || !files.length) this.progress();
    else this.run((this.running = {}));
  }

  // Files one after the other: an archive becomes its entries; a few wait together for one answer.
  async run(run) {
    this.fail("");
    this.progress();
    let group = [];
    const flush = async () => {
      if (group.length && this.running === run) await this.answer(group);
      group = [];
    };
    while (this.running === run && (this.queue.length || group.length)) {
      if (!this.queue.length) {
        await flush();
        continue;
      }
      const { file, name } = this.queue.shift();
      try {
        const entries = await this.patiently(run, async () => ((await isArchive(file)) ? unpack(file) : [[name, await hold(file)]]));
        if (this.running !== run) return entries.forEach(([, token]) => letGo(token));
        this.expected += entries.length - 1;
        for (const [inside, token] of entries) {
          group.push(this.addRow(inside, token));
          if (group.length === TOGETHER) await flush();
          if (this.running !== run) return entries.forEach(([, left]) => letGo(left));
        }
      } catch (error) {
        if (this.running !== run) return;
        this.addRow(name, null).error = error.message;
      }
      this.draw();
    }
    if (this.running === run) this.end();
  }

  // A full server is asked again, for a while: whoever has many files has time.
  async patiently(run, send) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await send();
      } catch (error) {
        if (!error.isFull || this.running !== run || tries === TRIES) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  addRow(name, token) {
    const row = { number: (this.rows.at(-1)?.number ?? 0) + 1, name, token };
    this.rows.push(row);
    return row;
  }

  save(...file) {
    save(...file);
    this.isSaved = !this.running;
  }

  answer(group) {
    this.requests += 1;
    const request = this.requests;
    return new Promise((resolve) => {
      this.waiting.set(request, { group, resolve });
      this.listen();
      const task = this.part("question").value || null, checkpoint = this.part("model").value || null;
      this.send({ request, tokens: group.map((row) => row.token), language: this.words.language, task, checkpoint });
    });
  }

  // A connection may hang without breaking: after a while without a word none is expected any more.
  listen() {
    clearTimeout(this.silence);
    if (this.waiting.size) this.silence = setTimeout(() => this.receive({ unanswered: true }), PATIENCE);
  }

  receive(message) {
    if (message?.unanswered) {
      for (const request of [...this.waiting.keys()]) {
        this.receive({ request, rows: [], finished: true, error: this.words["error.network"] });
      }
    }
    const waiting = this.waiting.get(message?.request);
    if (!waiting) return;
    for (const result of message.rows) Object.assign(waiting.group.find((row) => row.token === result.token) ?? {}, result);
    if (message.error) for (const row of waiting.group.filter((row) => !isAnswered(row))) row.error = message.error;
    if (message.finished) {
      this.waiting.delete(message.request);
      waiting.resolve();
    }
    this.isSaved &&= !message.rows.length;
    this.listen();
    this.draw();
  }

  cancel() {
    for (const row of this.rows) if (row.token && !isAnswered(row)) letGo(row.token);
    for (const { resolve } of this.waiting.values()) resolve();
    this.waiting.clear();
    this.listen();
    this.queue = [];
    this.end();
  }

  end() {
    this.running = null;
    this.rows = this.rows.filter(isAnswered);
    this.expected = this.rows.length;
    this.draw();
  }

  clear() {
    this.cancel();
    this.rows = [];
    this.isSaved = true;
    this.expected = 0;
    this.draw();
  }

  fail(sentence) {
    this.part("error").textContent = sentence;
    this.part("error").hidden = !sentence;
  }

  sort(by) {
    this.order = { by, down: this.order.by === by && !this.order.down };
    this.draw();
  }

  progress() {
    const done = this.rows.filter(isAnswered).length;
    Object.assign(this.part("progress"), { max: this.expected || 1, value: done });
    const words = this.words[this.running ? "batch.running" : "batch.done"];
    this.part("count").textContent = fill(words, { done, all: this.expected });
    this.part("bar").hidden = !this.rows.length && !this.running;
    this.part("progress").hidden = !this.running;
    this.element.querySelector("[data-do=cancel]").hidden = !this.running;
    for (const name of ["csv", "json", "clear"]) this.element.querySelector(`[data-do=${name}]`).disabled = !done;
  }

  draw() {
    this.progress();
    this.part("table").hidden = !this.rows.length;
    const { by, down } = this.order, key = SORTABLE[by];
    const sorted = [...this.rows].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.number - b.number) * (down ? -1 : 1));
    this.element.querySelector("tbody").replaceChildren(...sorted.map((row) => this.line(row)));
    for (const button of this.element.querySelectorAll("[data-sort]")) {
      const state = button.dataset.sort === by ? (down ? "descending" : "ascending") : "none";
      button.closest("th").setAttribute("aria-sort", state);
    }
  }

  line(row) {
    const line = document.createElement("tr");
    const picture = document.createElement("img");
    Object.assign(picture, { src: row.thumbnail ?? "", alt: "", width: 44, height: 44 });
    const notes = [row.error, ...(row.warningWords ?? [])].filter(Boolean).join(" ");
    const cells = [row.number, row.thumbnail ? picture : "", row.name, row.modalityWords ?? "", row.refused ? "" : row.classWords ?? "",
      row.refused || row.probability == null ? "" : percent(row.probability, this.words), row.bandWords ?? (row.error ? "" : "…"), notes];
    line.append(...cells.map((cell, i) => {
      const element = document.createElement("td");
      element.append(cell);
      element.className = `mm-${COLUMNS[i]}`;
      return element;
    }));
    line.classList.toggle("mm-failed", Boolean(row.error));
    return line;
  }

  // The columns of `python -m medmamba classify --csv`, and what the table says beside them.
  csv() {
    const rows = this.rows.filter(isAnswered);
    const classes = [...new Set(rows.flatMap((row) => Object.keys(row.probabilities ?? {}).map((name) => `${row.task}/${name}`)))];
    const head = ["file", "error", "modality", "task", "class", "prediction_set", "refused", "words", "modality_probability", "notes", ...classes, "checkpoint", "version", "sha256", "notice"];
    const lines = rows.map((row) => {
      const of = Object.fromEntries(Object.entries(row.probabilities ?? {}).map(([n, p]) => [`${row.task}/${n}`, p.toFixed(6)]));
      const cells = {
        ...row, ...of, file: row.name, prediction_set: (row.prediction_set ?? []).join("; "),
        refused: { true: "True", false: "False" }[row.refused] ?? "", words: row.bandWords, notes: (row.warningWords ?? []).join(" "),
        modality_probability: row.modalities?.[row.modality]?.toFixed(6), notice: this.words.strip,
      };
      return head.map((column) => quote(harmless(String(cells[column] ?? "")))).join(",");
    });
    return [head.join(","), ...lines].join("\r\n") + "\r\n";
  }

  json() {
    const rows = this.rows.filter(isAnswered);
    const kept = rows.map(({ number, token, thumbnail, modalityWords, classWords, bandWords, warningWords, name, ...rest }) => ({ file: name, ...rest }));
    return JSON.stringify({ notice: this.words.strip, made: new Date().toISOString(), rows: kept }, null, 1);
  }
}

function isAnswered(row) {
  return Boolean(row.error || row.task);
}

async function isArchive(file) {
  const start = await beginning(file, 4);
  return start[0] === 0x50 && start[1] === 0x4b && start[2] < 6;
}

function quote(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

// Keeps spreadsheets from taking a name for a formula.
function harmless(cell) {
  return /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
}
