// The files that a visitor has opened, in order; one is looked at. Chosen, dropped, pasted, photographed or taken from the examples: they
// all come in here.

import { hold, holdExample } from "./server.js";

export class Cases {
  // on: {open(case), count(), busy(key), fail(sentence, again), photo()}; `again` sends anew what did not fit in. Without photo() the device's own camera program opens.
  constructor(element, on) {
    Object.assign(this, { list: [], current: -1, on });
    this.chooser(element);
  }

  get case() {
    return this.list[this.current];
  }

  chooser(element) {
    const take = (list) => this.add([...list]);
    element.addEventListener("change", (event) => {
      if (!event.target.matches("[data-part=file], [data-part=photo]")) return;
      take(event.target.files);
      event.target.value = "";
    });
    element.addEventListener("click", (event) => {
      const opener = event.target.closest("[data-open]");
      if (opener?.dataset.open === "photo" && this.on.photo) this.on.photo();
      else if (opener) element.querySelector(`[data-part=${opener.dataset.open}]`).click();
    });
    const inside = () => element.offsetParent !== null;
    document.addEventListener("paste", (event) => {
      if (inside() && event.clipboardData?.files.length) take(event.clipboardData.files);
    });
    document.addEventListener("dragover", (event) => {
      if (!inside()) return;
      event.preventDefault();
      element.classList.add("mm-dropping");
    });
    for (const end of ["dragleave", "dragend", "drop"]) {
      document.addEventListener(end, (event) => {
        if (end !== "dragleave" || !event.relatedTarget) element.classList.remove("mm-dropping");
      });
    }
    document.addEventListener("drop", (event) => {
      if (!inside()) return;
      event.preventDefault();
      take(event.dataTransfer.files);
    });
  }

  add(files) {
    return this.join(files.map((file, i) => async () => ({ token: await hold(file, i > 0), frame: 0 })));
  }

  take(number) {
    return this.join([async () => ({ token: await holdExample(number), frame: 0, example: number })]);
  }

  // Each new case replaces nothing: it joins the list, and the first new one is opened.
  async join(arrivals) {
    const first = this.list.length;
    for (const [i, arrival] of arrivals.entries()) {
      if (this.list.length === first) this.on.busy("busy.sending");
      try {
        this.list.push(await arrival());
      } catch (error) {
        this.on.fail(error.message, error.isFull && (() => this.join(arrivals.slice(i))));
        return;
      }
      if (this.list.length === first + 1) this.open(first);
      else this.on.count();
    }
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
