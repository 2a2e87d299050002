// The viewer: panes, controls, pointer and keys. What it shows is set by show(); what the user asks goes to `on`.

import { icon } from "./icons.js";
import { keyOf } from "./keys.js";
import { significant } from "./numbers.js";
import { COLORMAPS, gradient } from "./overlay.js";
import { Pane } from "./pane.js";
import { View } from "./view.js";

const METHODS = ["grad-cam", "integrated-gradients"];
const STAGES = [4, 3, 2, 1];

export class Viewer {
  // on: {ask(change), step(by), frame(number), trust(), help(), close()}, and where there is such a thing: point([x, y]),
  // pin(isOn), part(rectangle)
  constructor(element, texts, on) {
    Object.assign(this, { element, texts, on });
    this.view = new View();
    this.look = { window: null, invert: false, opacity: 0.6, colormap: "cividis", signed: false };
    this.layout = "overlay";
    this.tool = "pan";
    this.picture = this.evidence = null;
    this.isMapMissing = false;
    this.pinned = null;
    this.panes = { picture: new Pane(texts["viewer.original"]), overlay: new Pane(texts["viewer.overlay"]), pinned: new Pane("") };
    this.build();
    this.listen();
  }

  text(key, values = {}) {
    return this.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  }

  part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }

  build() {
    const button = (action, key = "") => {
      const words = this.text(`viewer.${action}`), title = key ? `${words} (${key})` : words;
      return `<button type="button" data-do="${action}" title="${title}" aria-label="${words}">${icon(action)}</button>`;
    };
    const option = (value, words) => `<option value="${value}">${words}</option>`;
    const select = (name, options) =>
      `<label>${this.text(`viewer.${name}`)}<select data-set="${name}">${options.join("")}</select></label>`;
    this.element.innerHTML = `
      <p class="mm-error" data-part="error" role="alert" hidden></p>
      <div class="mm-toolbar" role="toolbar" aria-label="${this.text("viewer.tools")}">
        <span class="mm-group">${button("pan")}${button("level")}</span>
        <span class="mm-group">${button("zoomOut", "-")}${button("zoomIn", "+")}${button("fit", "0")}${button("actual")}</span>
        <span class="mm-group">${button("rotate", "r")}${button("flipH", "h")}${button("flipV", "v")}${button("invert", "i")}
          ${button("reset", this.text("key.space"))}</span>
        <span class="mm-group mm-layouts">${button("picture")}${button("overlay", "o")}${button("both", "b")}</span>
        <span class="mm-group">${this.on.pin ? button("pin", "c") : ""}${this.on.part ? button("part", "x") : ""}</span>
        <span class="mm-group">${button("help", "?")}</span>
      </div>
      <div class="mm-stage" tabindex="0" data-part="stage" role="group" aria-label="${this.text("viewer.label")}">
        <div class="mm-panes" data-part="panes"></div>
        <p class="mm-busy" data-part="busy" role="status" hidden></p>
        <span class="mm-corner mm-unknown" data-part="unknown" hidden>${this.text("viewer.orientationUnknown")}</span>
        <span class="mm-corner mm-readout" data-part="readout"></span>
      </div>
      <div class="mm-controls" data-part="controls" hidden>
        <div class="mm-line" data-part="frames">
          <label class="mm-grow">${this.text("viewer.frame")}<input type="range" data-set="frame" min="1" step="1"></label>
          <output data-part="frameNumber"></output>
        </div>
        <div class="mm-line" data-part="presets" role="group" aria-label="${this.text("viewer.presets")}"></div>
        <div class="mm-line mm-evidence" data-part="evidenceControls">
          <label class="mm-grow">${this.text("viewer.opacity")}
            <input type="range" data-set="opacity" min="0" max="100" value="60" aria-label="${this.text("viewer.opacity")}">
          </label>
          ${select("method", METHODS.map((name) => option(name, this.text(`method.${name}`))))}
          ${select("stage", STAGES.map((number) => option(number, this.text("viewer.stageOption", { number }))))}
          ${select("colormap", COLORMAPS.map((name) => option(name, this.text(`colormap.${name}`))))}
          <label class="mm-check"><input type="checkbox" data-set="signed">${this.text("viewer.signed")}</label>
        </div>
        <div class="mm-scale" data-part="scale">
          <span data-part="low"></span><span class="mm-bar" data-part="bar"></span><span data-part="high"></span>
        </div>
        <p class="mm-note" data-part="note"></p>
        <p class="mm-line mm-trustline">
          <button type="button" class="mm-link" data-do="trust">${this.text("viewer.trust")}</button>
          <span data-part="trust" role="status"></span>
        </p>
      </div>`;
    this.panes.pinned.element.classList.add("mm-pane-pinned");
    this.part("panes").append(...["pinned", "picture", "overlay"].map((name) => this.panes[name].element));
  }

  listen() {
    this.element.addEventListener("click", (event) => {
      const action = event.target.closest("[data-do]")?.dataset.do;
      const preset = event.target.closest("[data-preset]")?.dataset.preset;
      if (action) this.act(action);
      else if (preset) this.preset(Number(preset));
    });
    this.element.addEventListener("input", (event) => this.set(event.target));
    document.addEventListener("keydown", (event) => {
      const action = this.element.offsetParent && keyOf(event);
      if (!action) return;
      event.preventDefault();
      if (action.startsWith("preset")) this.preset(Number(action.slice(6)));
      else this.act(action);
    });
    new ResizeObserver(() => this.draw()).observe(this.part("panes"));
    this.pointers();
  }

  // Mouse: left drag with the chosen tool, middle drag pans, right drag windows, wheel zooms. Touch: drag and pinch.
  pointers() {
    const stage = this.part("panes"), active = new Map();
    const place = (event) => {
      const box = (event.target.closest(".mm-pane") ?? stage).getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("mousedown", (event) => event.preventDefault()); // a drag selects no text and scrolls no page
    stage.addEventListener("pointerdown", (event) => {
      if (!this.picture) return;
      this.part("stage").focus({ preventScroll: true });
      stage.setPointerCapture(event.pointerId);
      const tool = event.button === 1 ? "pan" : event.button === 2 || event.shiftKey ? "level" : this.tool;
      const pane = event.target.closest(".mm-pane"), { clientX: x, clientY: y } = event;
      for (const other of active.values()) other.isTap = false; // a pinch, even where one finger rests
      active.set(event.pointerId, { x, y, tool, pane, from: [x, y], isTap: event.button === 0 && !active.size });
    });
    stage.addEventListener("pointermove", (event) => {
      if (!this.picture) return;
      const last = active.get(event.pointerId);
      if (!last) return this.readout(...place(event), event.target.closest(".mm-pane"));
      const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
      if (active.size === 2) {
        const other = [...active.entries()].find(([id]) => id !== event.pointerId)[1];
        const before = Math.hypot(last.x - other.x, last.y - other.y);
        const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
        const box = (last.pane ?? stage).getBoundingClientRect();
        this.zoom(after / (before || 1), (event.clientX + other.x) / 2 - box.left, (event.clientY + other.y) / 2 - box.top);
      } else if (last.tool === "pan") {
        this.view.pan(this.picture, ...this.paneSize, dx, dy);
      } else {
        this.shiftWindow(dx, dy);
      }
      Object.assign(last, { x: event.clientX, y: event.clientY });
      this.draw();
    });
    stage.addEventListener("pointerup", (event) => {
      const last = active.get(event.pointerId);
      if (last?.isTap && last.pane && Math.hypot(event.clientX - last.from[0], event.clientY - last.from[1]) < 6) {
        this.tap(last.pane, event.clientX, event.clientY);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (e) => active.delete(e.pointerId));
    stage.addEventListener("wheel", (event) => {
      if (!this.picture) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...place(event));
      this.draw();
    }, { passive: false });
    stage.addEventListener("dblclick", () => this.act("fit"));
  }

  // A click or a tap that drags nothing: its place as shares of the picture's sides.
  tap(pane, clientX, clientY) {
    const box = pane.getBoundingClientRect();
    const [x, y] = this.view.toPicture(this.picture, box.width, box.height, clientX - box.left, clientY - box.top);
    const place = [x / this.picture.width, y / this.picture.height];
    if (place.every((share) => share >= 0 && share <= 1)) this.on.point?.(place);
  }

  // How the visitor looks at the picture, for the report.
  get settings() {
    const { window, opacity, colormap, signed } = this.look;
    const own = window === this.picture.defaultWindow;
    return { opacity, colormap, signed, window: own ? null : [window.centre, window.width, window.function] };
  }

  get paneSize() {
    return this.panes[this.layout === "picture" ? "picture" : "overlay"].size;
  }

  // The part of the picture that is in view, as a rectangle; null if that is all of it.
  get visiblePart() {
    const rectangle = this.picture && this.view.visible(this.picture, ...this.paneSize);
    const isWhole = !rectangle || (rectangle.width >= this.picture.width && rectangle.height >= this.picture.height);
    return isWhole ? null : rectangle;
  }

  cut() {
    const part = this.visiblePart;
    if (part) this.on.part?.(part);
  }

  zoom(factor, x, y) {
    const [width, height] = this.paneSize;
    this.view.zoomAt(this.picture, width, height, x ?? width / 2, y ?? height / 2, factor);
  }

  // OHIF's habit: right widens the window, down raises its centre.
  shiftWindow(dx, dy) {
    const { width, centre } = this.look.window, whole = this.picture.presets[0].width;
    const step = Math.max(whole, width) / 400, function_ = this.look.window.function;
    const linear = function_ === "LUT" ? "LINEAR_EXACT" : function_;
    this.look.window = { centre: centre + dy * step, width: Math.max(width + dx * step, whole / 1000, this.least(linear)), function: linear };
  }

  least(function_) {
    return function_ === "LINEAR" ? 1 : 1e-30;
  }

  preset(number) {
    const preset = this.picture?.presets[number];
    if (!preset) return;
    this.look.window = preset;
    this.draw();
  }

  act(action) {
    if (action === "help") return this.on.help();
    if (action === "close") return this.on.close();
    if (action === "next" || action === "previous") return this.on.step(action === "next" ? 1 : -1);
    // What is pinned can be let go of while another picture is on its way.
    if (!this.picture && !(action === "pin" && this.pinned)) return;
    const acts = {
      pan: () => (this.tool = "pan"),
      level: () => (this.tool = "level"),
      zoomIn: () => this.zoom(1.25),
      zoomOut: () => this.zoom(0.8),
      fit: () => Object.assign(this.view, { zoom: null, centre: [0.5, 0.5] }),
      actual: () => (this.view.zoom = 1 / (window.devicePixelRatio || 1)),
      rotate: () => this.view.rotate(),
      flipH: () => this.view.mirrorLeftRight(),
      flipV: () => this.view.mirrorTopBottom(),
      invert: () => (this.look.invert = !this.look.invert),
      reset: () => this.reset(),
      picture: () => (this.layout = "picture"),
      overlay: () => (this.layout = this.layout === "overlay" ? "picture" : "overlay"),
      both: () => (this.layout = this.layout === "both" ? "overlay" : "both"),
      pin: () => this.on.pin && this.pin(),
      part: () => this.cut(),
      frameNext: () => this.moveFrame(1),
      framePrevious: () => this.moveFrame(-1),
      trust: () => this.on.trust(),
    };
    acts[action]?.();
    this.draw();
  }

  // Keeps what is on the screen beside whatever is opened or asked next, with the same controls; again, lets it go.
  pin() {
    this.pinned = this.pinned ? null : { picture: this.picture, evidence: this.evidence };
    this.panes.pinned.caption.textContent = this.text("viewer.pinned");
    this.on.pin(Boolean(this.pinned));
  }

  // From the frame that was asked for last: it may still be on its way.
  moveFrame(by) {
    const frame = this.frame + by;
    if (frame >= 0 && frame < this.picture.frames) this.askFrame(frame);
  }

  askFrame(frame) {
    this.frame = frame;
    this.on.frame(frame);
  }

  set(input) {
    const { set } = input.dataset;
    if (set === "opacity") this.look.opacity = input.value / 100;
    else if (set === "signed") this.look.signed = input.checked;
    else if (set === "colormap") this.look.colormap = input.value;
    else if (set === "method") this.on.ask({ method: input.value });
    else if (set === "stage") this.on.ask({ stage: Number(input.value) });
    else if (set === "frame") this.askFrame(Number(input.value) - 1);
    this.draw();
  }

  reset() {
    this.view.home();
    Object.assign(this.look, { window: this.picture.defaultWindow, invert: false });
  }

  // A new picture or frame; a frame of the same file keeps the view and a window set by hand. Of a preset each has its own: that
  // of a slice without anything would make the next one white.
  show(picture, sameFile = false) {
    this.picture = picture;
    this.frame = picture.frame;
    if (!sameFile) {
      this.reset();
      this.tool = picture.colour ? "pan" : "level";
    } else if (this.look.window.name) {
      this.look.window = picture.presets.find(({ name }) => name === this.look.window.name) ?? picture.defaultWindow;
    }
    this.part("presets").innerHTML = picture.presets
      .map((preset, i) => {
        const size = picture.unit ? ` <small>${this.figure(preset.width)}/${this.figure(preset.centre)}</small>` : "";
        const words = this.text(`preset.${preset.name}`), title = i && i < 6 ? `${words} (${i})` : words;
        return `<button type="button" data-preset="${i}" title="${title}">${words}${size}</button>`;
      })
      .join("");
    this.part("frames").hidden = picture.frames < 2;
    const slider = this.element.querySelector('[data-set="frame"]');
    Object.assign(slider, { max: picture.frames, value: picture.frame + 1 });
    this.part("frameNumber").textContent = this.text("viewer.frameOf", { frame: picture.frame + 1, frames: picture.frames });
    this.part("controls").hidden = false;
    this.element.classList.add("mm-has-picture");
    this.draw();
  }

  // Nothing is shown: the stage stays, black, while another picture is on its way; without one, all is as at the beginning.
  clear(isAnotherComing) {
    this.picture = this.evidence = null;
    if (this.pinned && !isAnotherComing) this.pin();
    this.part("controls").hidden = true;
    this.element.classList.toggle("mm-has-picture", isAnotherComing);
    this.draw();
  }

  // The map, or none. Of one that is missing, since it takes long or has failed, another method can be chosen.
  explain(evidence, isMapMissing = false) {
    Object.assign(this, { evidence, isMapMissing });
    this.part("trust").textContent = "";
    this.draw();
  }

  busy(words) {
    const line = this.part("busy");
    line.textContent = words ?? "";
    line.hidden = !words;
  }

  draw() {
    const shows = {
      picture: this.picture && this.layout !== "overlay" && [this.picture, null],
      overlay: this.picture && this.layout !== "picture" && [this.picture, this.evidence],
      pinned: this.pinned && [this.pinned.picture, this.layout === "picture" ? null : this.pinned.evidence],
    };
    this.panes.overlay.caption.textContent = this.text(this.evidence ? "viewer.overlay" : "viewer.original");
    for (const [name, pane] of Object.entries(this.panes)) {
      pane.element.hidden = !shows[name];
      if (!shows[name]) continue;
      const [picture, evidence] = shows[name], own = name === "pinned" && picture !== this.picture;
      pane.draw(picture, evidence, this.view, own ? this.lookOf(picture) : this.look, this.texts);
    }
    this.part("panes").dataset.panes = Object.values(shows).filter(Boolean).length;
    this.mark();
  }

  // A pinned picture keeps its own default window, unless both are in the same unit: then one window serves both.
  lookOf(picture) {
    const shared = picture.unit && picture.unit === this.picture?.unit;
    return shared ? this.look : { ...this.look, window: picture.defaultWindow };
  }

  mark() {
    const pressed = { [this.tool]: true, [this.layout]: true, invert: this.look.invert, pin: this.pinned };
    for (const button of this.element.querySelectorAll("[data-do]")) {
      const { do: action } = button.dataset;
      if (["pan", "level", "picture", "overlay", "both", "invert", "pin"].includes(action)) {
        button.setAttribute("aria-pressed", Boolean(pressed[action]));
      }
    }
    for (const button of this.element.querySelectorAll("[data-do=part]")) button.disabled = !this.visiblePart;
    for (const button of this.element.querySelectorAll("[data-preset]")) {
      button.setAttribute("aria-pressed", this.picture?.presets[button.dataset.preset] === this.look.window);
    }
    const has = Boolean(this.evidence);
    this.part("evidenceControls").hidden = !has && !this.isMapMissing;
    this.part("scale").hidden = !has;
    this.part("note").textContent = has ? this.evidence.note : "";
    this.element.querySelector(".mm-trustline").hidden = !has;
    if (has) {
      this.part("bar").style.backgroundImage = gradient(this.look.colormap, this.look.signed);
      this.part("low").textContent = this.text(this.look.signed ? "viewer.against" : "viewer.none");
      this.part("high").textContent = this.text("viewer.strong");
    }
    this.part("unknown").hidden = !this.picture || Boolean(this.picture.orientation);
    this.readout();
  }

  readout(x, y, pane) {
    if (!this.picture) return this.part("readout").replaceChildren();
    const { window: w } = this.look, zoom = this.view.scale(this.picture, ...this.paneSize);
    const parts = [`${Math.round(zoom * (window.devicePixelRatio || 1) * 100)} %`, this.text("viewer.wl", { width: this.figure(w.width), centre: this.figure(w.centre) })];
    if (pane) {
      const point = this.view.toPicture(this.picture, pane.clientWidth, pane.clientHeight, x, y);
      const value = this.picture.valueAt(...point);
      if (value !== null) parts.unshift(`${point.map(Math.floor).join(", ")}: ${this.sample(value)}`);
    }
    this.part("readout").textContent = parts.join("  ·  ");
  }

  // Of a window: nobody wants decimals of a hundred.
  figure(value) {
    return significant(Math.abs(value) >= 10 ? Math.round(value) : value, 3, this.texts);
  }

  sample(value) {
    const { colour, unit } = this.picture;
    return colour ? `RGB ${value.join(" ")}` : [significant(value, 5, this.texts), unit].filter(Boolean).join(" ");
  }
}
