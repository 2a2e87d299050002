// A frame of a picture: its samples at full depth, and their rendering through a window.
//
// The formulas are those of medmamba/images/picture.py (PS3.3 C.11.2.1.2): value = sample * slope + intercept -> share of white
// -> one inversion -> 8 bit. Colour pictures go through the same window, channel by channel.

import { request } from "./server.js";

export class Picture {
  constructor(description, samples) {
    Object.assign(this, description);
    this.samples = samples;
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.shownWidth;
    this.canvas.height = this.shownHeight;
    this.drawn = null; // the window and the inversion that are on the canvas
  }

  static async fetch(description, signal) {
    const response = await request(description.address, { signal });
    const buffer = await response.arrayBuffer();
    return new Picture(description, description.colour ? new Uint8Array(buffer) : new Uint16Array(buffer));
  }

  get defaultWindow() {
    return this.presets[0];
  }

  // The value, or red, green and blue, under a pixel of the full picture; null outside, and where there is none.
  valueAt(x, y) {
    const column = Math.floor(x / this.reduction), row = Math.floor(y / this.reduction);
    if (column < 0 || row < 0 || column >= this.shownWidth || row >= this.shownHeight) return null;
    const i = row * this.shownWidth + column;
    if (this.hasGaps && this.samples[i] === 0) return null;
    return this.colour ? this.samples.slice(3 * i, 3 * i + 3) : this.samples[i] * this.slope + this.intercept;
  }

  // Draws the samples through a window on the picture's own canvas, unless they are there already.
  render(window, invert) {
    if (this.drawn?.window === window && this.drawn.invert === invert) return this.canvas;
    this.drawn = { window, invert };
    const table = this.table(window, invert);
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(this.shownWidth, this.shownHeight);
    const out = new Uint32Array(image.data.buffer), samples = this.samples;
    if (this.colour) {
      for (let i = 0, j = 0; i < out.length; i++, j += 3) {
        out[i] = 0xff000000 | (table[samples[j + 2]] << 16) | (table[samples[j + 1]] << 8) | table[samples[j]];
      }
    } else {
      for (let i = 0; i < out.length; i++) out[i] = 0xff000000 | (table[samples[i]] * 0x010101);
    }
    context.putImageData(image, 0, 0);
    return this.canvas;
  }

  // What is drawn for each sample, 0 to 255.
  table(window, invert) {
    const table = new Uint8Array(this.colour ? 256 : 65536);
    const flip = this.inverted !== invert;
    for (let sample = 0; sample < table.length; sample++) {
      const value = sample * this.slope + this.intercept;
      const share = shareOfWhite(window, value);
      const padded = this.padding && value >= this.padding[0] && value <= this.padding[1];
      table[sample] = padded ? 0 : Math.floor((flip ? 1 - share : share) * 255 + 0.5);
    }
    if (this.hasGaps) table[0] = 0;
    return table;
  }
}

export function shareOfWhite(window, value) {
  const { centre, width } = window;
  switch (window.function) {
    case "SIGMOID":
      return 1 / (1 + Math.exp((-4 * (value - centre)) / width));
    case "LUT": {
      const last = window.shares.length - 1;
      const place = ((value - window.low) / (window.high - window.low || 1)) * last;
      return window.shares[Math.min(last, Math.max(0, Math.round(place)))];
    }
    case "LINEAR":
      if (width <= 1) return value > centre - 0.5 ? 1 : 0;
      return clamp((value - (centre - 0.5)) / (width - 1) + 0.5);
    default:
      return clamp((value - centre) / width + 0.5);
  }
}

function clamp(share) {
  return Math.min(1, Math.max(0, share));
}
