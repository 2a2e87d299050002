// Keys: OHIF's letters, and ours for the overlay, the cases and the help.

const KEYS = {
  i: "invert", " ": "reset", "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "fit",
  1: "preset1", 2: "preset2", 3: "preset3", 4: "preset4", 5: "preset5",
  h: "flipH", v: "flipV", r: "rotate", o: "overlay", b: "both", c: "pin", x: "part", n: "next", p: "previous", "?": "help",
  ArrowUp: "framePrevious", ArrowDown: "frameNext",
};

// The key that was pressed, a letter as without Caps Lock; null with a key held that makes it the browser's or the system's own.
export function pressed({ key, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return null;
  return key?.length === 1 ? key.toLowerCase() : key;
}

// The action of a key press, or null where the key belongs to the control that has the focus.
export function keyOf(event) {
  const key = pressed(event), { target } = event;
  if (!key || document.querySelector("dialog[open]")) return null;
  if (target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable=true]")) return null;
  if (target.closest?.("button, a, summary, input") && (key === " " || key.startsWith("Arrow"))) return null;
  if (key.startsWith("Arrow") && !target.closest?.(".mm-stage")) return null;
  return KEYS[key] ?? null;
}
