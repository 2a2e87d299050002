// The files that a visitor has opened, in order; one is looked at. Chosen, dropped, pasted, photographed or taken from the examples: they
// all come in here.

import { catchDrops } from "./drops.js";
import { dropped, named } from "./files.js";
import { remember, remembered } from "./preferences.js";
import { hold, holdExample, holdPart, letGo } from "./server.js";

const KEPT = "medmamba-cases"; // tokens alone: nothing of a picture

export class Cases {
  // on: {open(case), empty(), count(), busy(key), fail(sentence, again), photo()}; `again` sends anew what did not fit in. Without
  // photo() the device's own camera program opens.
  constructor(element, on) {
    Object.assign(this, { list: [], current: -1, joins: 0, on });
    this.chooser(element);
  }

  get case() {
    return this.list[this.current];
  }

  chooser(element) {
    element.addEventListener("change", (event) => {
      if (!event.target.matches("[data-part=file], [data-part=photo]")) return;
      this.add(named(event.target.files));
      event.target.value = "";
    });
    element.addEventListener("click", (event) => {
      const opener = event.target.closest("[data-open]");
      if (opener?.dataset.open === "photo" && this.on.photo) this.on.photo();
      else if (opener) element.querySelector(`[data-part=${opener.dataset.open}]`).click();
    });
    const take = (transfer) => dropped(transfer).then((files) => this.add(files), ({ message }) => this.on.fail(message));
    document.addEventListener("paste", ({ clipboardData }) => {
      if (element.offsetParent && clipboardData?.files.length) take(clipboardData);
    });
    catchDrops(element, take);
  }

  add(files) {
    return this.join(files.map(({ file, name }, i) => ({
      name: files.length > 1 ? name : "",
      send: async () => ({ token: await hold(file, i > 0), frame: 0 }),
    })));
  }

  take(number) {
    return this.join([{ name: "", send: async () => ({ token: await holdExample(number), frame: 0, example: number }) }]);
  }

  // A rectangle of the open case becomes one of its own.
  cut(rectangle) {
    const { token, frame } = this.case;
    return this.join([{ name: "", send: async () => ({ token: await holdPart(token, frame, rectangle), frame: 0 }) }]);
  }

  // Each new case replaces nothing: it joins the list, and the first new one is opened, or whichever comes once all before it
  // are closed. What cannot be sent is told by its name, and keeps back no other; but a server that is full for one is so for all.
  // What arrives after something else was chosen takes nobody's screen.
  async join(arrivals) {
    const faults = [], turn = (this.joins += 1), isLate = () => turn !== this.joins;
    let hasOpened = false;
    for (const [i, { name, send }] of arrivals.entries()) {
      if (!hasOpened && !isLate()) this.on.busy("busy.sending");
      try {
        this.list.push(await send());
      } catch (error) {
        faults.push([name, error.message].filter(Boolean).join(": "));
        if (!hasOpened && !isLate()) this.on.busy(null);
        this.on.fail(faults.join(" "), error.isFull && (() => this.join(arrivals.slice(i))));
        if (error.isFull) return;
        continue;
      }
      if ((hasOpened || isLate()) && this.case) this.on.count();
      else this.open(this.list.length - 1);
      hasOpened = true;
      if (faults.length) this.on.fail(faults.join(" "));
    }
  }

  // Lets go of the open case, on the server too; the next one is opened, or the one before.
  close() {
    if (!this.case) return;
    letGo(this.case.token);
    this.lose();
  }

  // Takes the open case off the list: the server has it no longer.
  lose() {
    this.list.splice(this.current, 1);
    if (this.list.length) return this.open(Math.min(this.current, this.list.length - 1));
    this.current = -1;
    this.on.empty();
  }

  // For a reload, which a change of language, a server's restart or a lost connection may bring about.
  remember() {
    remember(KEPT, this.list.length ? [this.list, this.current] : null, "sessionStorage");
  }

  // For whoever sits here next: neither this tab nor, once it is done, the server has them any more.
  async forget() {
    const left = this.list;
    this.list = [];
    this.remember();
    await Promise.all(left.map(({ token }) => letGo(token)));
  }

  restore() {
    const [list, current] = remembered(KEPT, "sessionStorage") ?? [[], -1];
    this.list = list;
    this.open(current);
  }

  open(index) {
    if (index < 0 || index >= this.list.length) return;
    this.current = index;
    this.on.open(this.case);
  }

  step(by) {
    this.open(this.current + by);
  }
}
