// Elements whose text is always text: what a deck says never becomes markup.

// node("p", { className: "x", data: { do: "y" }, "aria-label": "z" }, "text", otherNode, null, ...)
export function node(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(element.dataset, value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function fill(words, values = {}) {
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
