// What is asked of the server about the picture: one question at a time. What is asked meanwhile waits, and of that only the
// latest: a slider that is dragged asks faster than anybody can answer.

const HOLD = 3000; // milliseconds that a question holds up the next
export const PATIENCE = 120000; // milliseconds without a word from the server, after which none is expected any more

export class Questions {
  // send(event, data) puts one to the server, whose messages come to take(); lost() is called where no answer comes.
  constructor(send, lost) {
    Object.assign(this, { send, lost, waiting: [], number: 0, latest: 0, underWay: 0 });
  }

  // A new question takes the place of all that wait, but for reports: they are of what was on the screen, and stay wanted. A
  // request about what is on the screen waits behind it.
  ask(event, data) {
    this.number += 1;
    const entry = { event, data: { ...data, request: this.number } };
    if (event === "ask") {
      const reports = this.waiting.filter((other) => other.event === "report");
      Object.assign(this, { latest: this.number, waiting: [entry, ...reports] });
    } else this.waiting.push(entry);
    if (!this.underWay) this.post();
  }

  post() {
    clearTimeout(this.hold);
    const next = this.waiting.shift();
    this.underWay = next?.data.request ?? 0;
    if (!next) return;
    this.hold = setTimeout(() => this.post(), HOLD);
    this.listen();
    this.send(next.event, next.data);
  }

  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.giveUp(), PATIENCE);
  }

  // Whether a message is about the latest question, and not about one that has been overtaken.
  take({ request, progress }) {
    const isDone = progress === "done";
    if (isDone && request === this.underWay) this.post();
    if (!this.isLatest(request)) return false;
    if (isDone && request === this.number) clearTimeout(this.silence);
    else this.listen();
    return true;
  }

  // Whether a message is about what was asked of the picture last, and not a request about what is on the screen.
  isOfLatestQuestion({ request }) {
    return request === this.latest;
  }

  isLatest(request) {
    return request >= this.latest;
  }

  // Nothing that was asked counts any more.
  forget() {
    clearTimeout(this.hold);
    clearTimeout(this.silence);
    this.number += 1;
    Object.assign(this, { latest: this.number, waiting: [], underWay: 0 });
  }

  giveUp() {
    this.forget();
    this.lost();
  }
}
