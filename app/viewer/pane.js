// One canvas with a picture, its overlay and what is written over it.

import { drawMap } from "./overlay.js";

// A ring that shows on black and on white, of the same size at any zoom.
function drawMark(context, x, y) {
  for (const [width, colour] of [[6, "#000"], [2.5, "#ffd166"]]) {
    Object.assign(context, { lineWidth: width, strokeStyle: colour });
    context.beginPath();
    context.arc(x, y, 13, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 13 * dx, y + 13 * dy);
      context.lineTo(x + 19 * dx, y + 19 * dy);
    }
    context.stroke();
  }
}

// Of the rule, in millimetres: down to what a microscope shows.
const LENGTHS = [100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

function lengthInWords(mm) {
  if (mm >= 10) return `${mm / 10} cm`;
  return mm >= 1 ? `${mm} mm` : `${Math.round(mm * 1000)} µm`;
}

export class Pane {
  constructor(label) {
    this.element = document.createElement("figure");
    this.element.className = "mm-pane";
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.caption = document.createElement("figcaption");
    this.caption.textContent = label;
    this.edges = Object.fromEntries(
      ["left", "right", "top", "bottom"].map((side) => {
        const letter = document.createElement("span");
        letter.className = `mm-edge mm-edge-${side}`;
        return [side, letter];
      }),
    );
    this.rule = document.createElement("span");
    this.rule.className = "mm-rule";
    this.element.append(this.canvas, this.caption, ...Object.values(this.edges), this.rule);
    this.map = { key: null, canvas: null };
  }

  get size() {
    return [this.element.clientWidth, this.element.clientHeight];
  }

  // look: {window, invert, opacity, colormap, signed, mark}; evidence and mark may be missing.
  draw(picture, evidence, view, look, texts) {
    const [width, height] = this.size;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, w, h);
    const matrix = view.matrix(picture, width, height);
    context.setTransform(new DOMMatrix([ratio, 0, 0, ratio, 0, 0]).multiply(matrix));
    context.imageSmoothingEnabled = view.scale(picture, width, height) < 6;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture.render(look.window, look.invert), 0, 0, picture.width, picture.height);
    if (evidence && look.opacity > 0) {
      context.imageSmoothingEnabled = true;
      context.globalAlpha = look.opacity;
      context.drawImage(this.mapOf(evidence, picture, look), 0, 0, picture.width, picture.height);
      context.globalAlpha = 1;
    }
    if (look.mark) {
      const [x, y] = look.mark, place = matrix.transformPoint(new DOMPoint(x * picture.width, y * picture.height));
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      drawMark(context, place.x, place.y);
    }
    this.label(picture, view, width, height, texts);
  }

  mapOf(evidence, picture, look) {
    const key = `${look.colormap} ${look.signed}`;
    if (this.map.key !== key || this.map.evidence !== evidence) {
      this.map = { key, evidence, canvas: drawMap(evidence, picture.width / picture.height, look.colormap, look.signed) };
    }
    return this.map.canvas;
  }

  label(picture, view, width, height, texts) {
    const letters = picture.orientation ? view.letters(picture.orientation) : {};
    for (const [side, element] of Object.entries(this.edges)) element.textContent = letters[side] ?? "";
    const spacing = picture.spacing && (view.turns % 2 ? picture.spacing[0] : picture.spacing[1]);
    const perMillimetre = spacing && view.scale(picture, width, height) / spacing;
    const length = spacing && LENGTHS.find((mm) => mm * perMillimetre < width * 0.4);
    this.rule.hidden = !length;
    if (length) {
      this.rule.style.width = `${length * perMillimetre}px`;
      this.rule.textContent = lengthInWords(length);
    }
    this.canvas.setAttribute("aria-label", texts["viewer.alt"]);
  }
}
