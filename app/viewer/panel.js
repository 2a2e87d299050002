// The answer beside the picture: the HTML that the server wrote, and what the visitor had set in the one before.

export class Panel {
  constructor(element, words) {
    Object.assign(this, { element, open: new Map() });
    this.empty = document.createElement("div");
    this.empty.className = "mm-answer mm-empty";
    this.empty.innerHTML = "<p></p>";
    this.empty.firstChild.textContent = words["answer.empty"];
    this.clear();
  }

  // What was unfolded stays so, and the focus stays where it was.
  show(html) {
    this.remember();
    const focused = this.element.contains(document.activeElement) ? placeOf(document.activeElement) : "";
    this.element.innerHTML = html;
    for (const details of this.element.querySelectorAll("details")) {
      details.open = this.open.get(nameOf(details)) ?? details.open;
    }
    if (focused) this.element.querySelector(focused)?.focus({ preventScroll: true });
  }

  get isEmpty() {
    return this.empty.isConnected;
  }

  // What was chosen and not answered goes back to what the answer is of.
  takeBack() {
    for (const option of this.element.querySelectorAll("[data-ask] option")) option.selected = option.defaultSelected;
  }

  clear() {
    this.remember();
    this.element.replaceChildren(this.empty);
  }

  remember() {
    for (const details of this.element.querySelectorAll("details")) this.open.set(nameOf(details), details.open);
  }
}

function nameOf(details) {
  return details.querySelector("summary").textContent;
}

// A selector for a control by what it is for; empty for one that says nothing of it.
function placeOf(control) {
  return Object.entries({ ...control.dataset }).map(([name, value]) => `[data-${name}="${CSS.escape(value)}"]`).join("");
}
