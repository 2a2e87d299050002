// What the browser keeps of the visitor's choices. Where it blocks the data of sites, they last with the page's entry in the
// tab's history: long enough for a reload in the chosen language.

export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    history.replaceState({ ...history.state, [name]: value }, "");
  }
}

// early.js does the same, before modules are there.
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return history.state?.[name] ?? null;
  }
}
