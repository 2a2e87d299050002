// What the three pages share: words, elements, theme and language. Nothing here knows of rooms.

import * as numbers from "../../viewer/numbers.js";

const THEME = "medmamba-theme", LANGUAGE = "medmamba-language";
const SCROLLED = [".cr-people", ".cr-scroll"]; // what scrolls within the page
const LONGEST_PRESS = 3000; // milliseconds: a browser may miss that a button was let go
let words = {};

// A text of the page, with its {places} filled in.
export function say(key, places = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => places[name]);
}

// A label of a deck or a card in the page's language, where it is known.
export function term(label) {
  return words[`term:${label}`] ?? label;
}

// What went wrong: the server's sentence, or one of the page's own.
export function sentence(problem) {
  return problem.error ?? say(problem.key ?? "class.error.offline");
}

export function language() {
  return words.language;
}

// An element. `options`: on (listeners by event), text, class, and attributes; false leaves an attribute out.
export function el(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "on") Object.entries(value).forEach(([event, act]) => element.addEventListener(event, act));
    else if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export function button(text, act, kind = "", more = {}) {
  return el("button", { type: "button", class: kind, text, on: { click: act }, ...more });
}

// Resolves once nothing in an element is pressed: a button replaced between press and release would get no click.
export async function released(element) {
  const until = performance.now() + LONGEST_PRESS;
  while (element.querySelector(":active") && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
}

// Replaces what an element holds, and leaves the keyboard's focus, an open menu and what was scrolled where they were. What
// had the focus may be gone, as the button of a step that was taken: then the heading of what is new has it.
export function redraw(element, ...parts) {
  const mark = (node) => [node.tagName, node.id, node.value, node.getAttribute("aria-label") ?? node.textContent].join("|");
  const focused = element.contains(document.activeElement) ? mark(document.activeElement) : null;
  const menu = element.querySelector("details")?.open ?? false;
  const scrollers = () => SCROLLED.flatMap((kind) => [...element.querySelectorAll(kind)].map((node, i) => [kind + i, node]));
  const scrolled = Object.fromEntries(scrollers().map(([name, { scrollTop: top, scrollLeft: left }]) => [name, { top, left }]));
  element.replaceChildren(...parts);
  if (menu) element.querySelector("details")?.setAttribute("open", "");
  for (const [name, node] of scrollers()) node.scrollTo({ behavior: "instant", ...scrolled[name] });
  if (!focused) return;
  const again = [...element.querySelectorAll("button, a, input, summary, [tabindex]")].find((node) => mark(node) === focused);
  (again ?? element.querySelector("h2[tabindex]"))?.focus({ preventScroll: true });
}

// A number with some decimals.
export function number(value, digits) {
  return numbers.decimal(value, digits, words);
}

// The question of a room: of a card, the page's own by its key, or what can be asked of any classes.
export function questionOf({ question }) {
  return question ? words[question] ?? term(question) : say("class.question");
}

// A probability of the network's, as everywhere on the page.
export function probability(share) {
  return numbers.percent(share, words);
}

// A share of answers.
export function percent(share) {
  return share == null ? "–" : `${Math.round(share * 100)} %`;
}

// "7 of 10 (70 %)"
export function tally([right, of]) {
  return of ? say("class.tally", { right, of, percent: Math.round((100 * right) / of) }) : "–";
}

// kind: localStorage, or sessionStorage for what ends with the tab.
export function remember(name, value, kind = "localStorage") {
  try {
    value == null ? window[kind].removeItem(name) : window[kind].setItem(name, JSON.stringify(value));
  } catch {
    // a browser that keeps nothing: the place in the room is lost when the page is closed
  }
}

export function recall(name, kind = "localStorage") {
  try {
    return JSON.parse(window[kind].getItem(name));
  } catch {
    return null;
  }
}

// Loads the words and sets language and theme; resolves to the buttons for both.
export async function begin(title) {
  const asked = localStorage.getItem(LANGUAGE) ?? navigator.language;
  words = await (await fetch(`words/${encodeURIComponent(asked)}`)).json();
  document.documentElement.lang = words.language;
  document.title = `${say(title)} · MedMamba`;
  setTheme(localStorage.getItem(THEME) ?? "dark");
  const next = words.language === "de" ? ["en", "English"] : ["de", "Deutsch"];
  const turn = () => {
    setTheme(document.body.classList.contains("dark") ? "light" : "dark");
    localStorage.setItem(THEME, document.body.classList.contains("dark") ? "dark" : "light");
  };
  const speak = () => {
    localStorage.setItem(LANGUAGE, next[0]);
    location.reload();
  };
  const theme = button("◐", turn, "cr-icon", { "aria-label": say("header.theme"), title: say("header.theme") });
  return [button(next[1], speak, "mm-link", { lang: next[0] }), theme];
}

function setTheme(theme) {
  document.body.classList.toggle("dark", theme === "dark");
  document.documentElement.style.colorScheme = theme;
}
