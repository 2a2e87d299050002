// A picture that is zoomed by pinch, buttons or keys, and marked by a tap; and layers over it.

import { pressed } from "../../viewer/keys.js";
import { drawMap } from "../../viewer/overlay.js";
import { button, el, say } from "./page.js";

const LARGEST = 8; // times the fitted size
const STILL = 8; // CSS pixels that a finger may move in a tap
const RETRY = 2000; // milliseconds until a picture that was lost on the way is asked for again
const KEY_STEP = 0.02; // of the picture's side, for a mark moved by the arrow keys

export class Pane {
  // caption: under the picture; hint: beside the buttons; mark(place): called when the mark is set, if it may be.
  constructor({ label, caption = null, hint = null, mark = null }) {
    Object.assign(this, { scale: 1, x: 0, y: 0, place: null, fingers: new Map(), tap: null, marked: mark });
    this.image = el("img", { alt: "", draggable: "false" });
    this.sheet = el("div", { class: "cr-sheet" }, this.image);
    this.frame = el("div", { class: "cr-frame", tabindex: "0", role: "group", "aria-label": label }, this.sheet);
    const zoom = (factor, key, sign) =>
      button(sign, () => this.zoom(factor), "cr-icon", { "aria-label": say(key), title: say(key) });
    this.tools = el(
      "div", { class: "cr-tools" }, zoom(1.5, "viewer.zoomIn", "+"), zoom(1 / 1.5, "viewer.zoomOut", "−"), zoom(0, "viewer.fit", "⤢"), hint,
    );
    this.element = el("figure", { class: "cr-pane" }, this.frame, this.tools, caption && el("figcaption", { text: caption }));
    const on = (event, act) => this.frame.addEventListener(event, act, { passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event, true));
    on("pointercancel", (event) => this.up(event, false));
    on("wheel", (event) => event.ctrlKey && (event.preventDefault(), this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event)));
    on("keydown", (event) => this.key(event));
    this.image.addEventListener("error", () => setTimeout(() => this.element.isConnected && this.load(), RETRY));
  }

  show({ token, width, height }) {
    Object.assign(this, { token, width, height });
    this.load();
    this.sheet.style.aspectRatio = `${width} / ${height}`;
    this.frame.style.setProperty("--aspect", width / height);
  }

  load() {
    this.image.src = `pictures/${this.token}`;
  }

  // A map over the picture: `values` by rows, `reference` counts as strong.
  layer(values, reference, colours) {
    this.sheet.querySelector("canvas")?.remove();
    if (values) this.image.after(drawMap({ values, reference }, this.width / this.height, colours, false));
  }

  mark(place) {
    this.place = place;
    this.sheet.querySelector(".cr-mark")?.remove();
    if (!place) return;
    const ring = el("span", { class: "cr-mark" });
    [ring.style.left, ring.style.top] = place.map((share) => `${share * 100}%`);
    this.sheet.append(ring);
  }

  zoom(factor, at = null) {
    const box = this.frame.getBoundingClientRect();
    const cx = at ? at.clientX - box.x - box.width / 2 : 0, cy = at ? at.clientY - box.y - box.height / 2 : 0;
    const scale = factor ? Math.min(LARGEST, Math.max(1, this.scale * factor)) : 1;
    this.x = cx - ((cx - this.x) * scale) / this.scale;
    this.y = cy - ((cy - this.y) * scale) / this.scale;
    this.scale = scale;
    this.settle();
  }

  settle() {
    const box = this.sheet.parentElement.getBoundingClientRect();
    const room = [((this.scale - 1) * box.width) / 2, ((this.scale - 1) * box.height) / 2];
    [this.x, this.y] = [this.x, this.y].map((value, i) => Math.max(-room[i], Math.min(room[i], value)));
    this.sheet.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.sheet.style.setProperty("--scale", this.scale);
    this.frame.classList.toggle("cr-zoomed", this.scale > 1);
  }

  down(event) {
    this.frame.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, event);
    this.tap = this.fingers.size === 1 && event.button === 0 ? event : null;
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const others = [...this.fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
    if (this.tap && Math.hypot(event.clientX - this.tap.clientX, event.clientY - this.tap.clientY) > STILL) this.tap = null;
    if (others.length === 1) {
      const [other] = others, apart = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
      const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
      this.zoom(apart(event) / Math.max(1, apart(before)), middle);
    } else if (!others.length && this.scale > 1 && !this.tap) {
      this.x += event.clientX - before.clientX;
      this.y += event.clientY - before.clientY;
      this.settle();
    }
    this.fingers.set(event.pointerId, event);
  }

  up(event, lifted) {
    this.fingers.delete(event.pointerId);
    if (!lifted || !this.tap || !this.marked) return;
    const box = this.image.getBoundingClientRect();
    const place = [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height];
    if (place.every((share) => share >= 0 && share <= 1)) this.marked(place);
  }

  key(event) {
    const key = pressed(event);
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (key === "+" || key === "-") this.zoom(key === "+" ? 1.5 : 1 / 1.5);
    else if (this.marked && key === "Enter") this.marked([0.5, 0.5]);
    else if (this.marked && this.place && key === "Delete") this.marked(null);
    else if (this.marked && this.place && ways[key])
      this.marked(this.place.map((share, i) => Math.min(1, Math.max(0, share + KEY_STEP * ways[key][i]))));
    else return;
    event.preventDefault();
  }
}
