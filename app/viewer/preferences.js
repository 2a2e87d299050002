// What the browser keeps of the visitor's choices. Where it blocks the data of sites, they last with the page's entry in the
// tab's history: long enough for a reload in the chosen language.

// Keeps a text, or forgets it for null. kind: localStorage, or sessionStorage for what ends with the tab.
export function keep(name, text, kind = "localStorage") {
  try {
    text == null ? window[kind].removeItem(name) : window[kind].setItem(name, text);
  } catch {
    history.replaceState({ ...history.state, [name]: text }, "");
  }
}

// The same for plain data; null is forgotten.
export function remember(name, value, kind) {
  keep(name, value == null ? null : JSON.stringify(value), kind);
}

export function remembered(name, kind) {
  try {
    return JSON.parse(recall(name, kind));
  } catch { // not as remember() writes it
    return null;
  }
}

// early.js does the same, before modules are there.
export function recall(name, kind = "localStorage") {
  try {
    return window[kind].getItem(name);
  } catch {
    return history.state?.[name] ?? null;
  }
}
