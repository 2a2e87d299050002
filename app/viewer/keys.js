// Keys: OHIF's letters, and ours for the overlay, the cases and the help.

const KEYS = {
  i: "invert", " ": "reset", "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "fit",
  1: "preset1", 2: "preset2", 3: "preset3", 4: "preset4", 5: "preset5",
  h: "flipH", v: "flipV", r: "rotate", o: "overlay", b: "both", c: "pin", x: "part", n: "next", p: "previous", "?": "help",
  ArrowUp: "framePrevious", ArrowDown: "frameNext",
};

// The action of a key press, or null where the key belongs to the control that has the focus.
export function keyOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return null;
  const target = event.target;
  if (target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable=true]")) return null;
  if (target.closest?.("button, a, summary, input") && (event.key === " " || event.key.startsWith("Arrow"))) return null;
  if (event.key.startsWith("Arrow") && !target.closest?.(".mm-stage")) return null;
  return KEYS[event.key] ?? null;
}
