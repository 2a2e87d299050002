// What the three pages share: words, elements, theme and language. Nothing here knows of rooms.

import { stayOnDrops } from "../../viewer/drops.js";
import * as numbers from "../../viewer/numbers.js";
import { keep, recall as kept } from "../../viewer/preferences.js";

export { remember, remembered as recall } from "../../viewer/preferences.js";

const THEME = "medmamba-theme", LANGUAGE = "medmamba-language";
const SCROLLED = [".cr-people", ".cr-scroll"]; // what scrolls within the page
const LONGEST_PRESS = 3000; // milliseconds: a browser may miss that a button was let go
const RETRY = 2000; // milliseconds
let words = {};

// A text of the page, with its {places} filled in.
export function say(key, places = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => places[name]);
}

// A label of a deck or a card in the page's language, where it is known.
export function term(label) {
  return words[`term:${label}`] ?? label;
}

// A class of a deck in the page's language, as Texts.label() of the server has it.
export function labelOf({ name, label }) {
  const isName = label.toLowerCase() === name.toLowerCase(); // not the label that the class got later
  return words[`term:${label}`] ?? (isName && words[`term:${name}`] ? capitalised(words[`term:${name}`]) : label);
}

// The same of the class of that name among a room's.
export function labelIn(classes, name) {
  const entry = classes.find((one) => one.name === name);
  return entry ? labelOf(entry) : "–";
}

// With a capital, as at the head of a card.
export function capitalised(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

// What went wrong: the server's sentence, or one of the page's own.
export function sentence(problem) {
  return problem.error ?? say(problem.key ?? "error.network");
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
  const mark = (node) => [node.tagName, node.id, node.name, node.value, node.getAttribute("aria-label") ?? node.textContent].join("|");
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

// A share of answers or places in whole per cent; as a probability, it is never rounded to none or all.
export function percent(share) {
  if (share == null) return "–";
  const whole = Math.round(share * 100);
  if (share > 0 && whole === 0) return `<1${numbers.PERCENT}`;
  if (share < 1 && whole === 100) return `>99${numbers.PERCENT}`;
  return `${whole}${numbers.PERCENT}`;
}

// "7 of 10 (70 %)"
export function tally([right, of]) {
  return of ? say("class.tally", { right, of, percent: percent(right / of) }) : "–";
}

// Whether another tab of this browser finds what is kept.
export function isShared() {
  try {
    return Boolean(window.localStorage);
  } catch {
    return false;
  }
}

// The names under which something is kept that begin so.
export function recalled(start) {
  const all = isShared() ? { ...localStorage } : { ...history.state };
  return Object.keys(all).filter((name) => name.startsWith(start) && all[name] != null);
}

// The address in the bar, without loading it; what is kept stays.
export function setAddress(address) {
  history.replaceState(history.state, "", address);
}

// The page's words; without them it can say nothing, not even that the server is away.
async function read(language) {
  for (;;) {
    try {
      const response = await fetch(`words/${encodeURIComponent(language)}`);
      if (response.ok) return await response.json();
    } catch {
      // as if it had not answered
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

// Makes the page ready, with its words, language and theme; resolves to the buttons for the last two.
export async function begin(title) {
  stayOnDrops();
  words = await read(kept(LANGUAGE) ?? navigator.language);
  document.documentElement.lang = words.language;
  document.title = `${say(title)} · MedMamba`;
  setTheme(kept(THEME) ?? "dark");
  const next = words.language === "de" ? ["en", "English"] : ["de", "Deutsch"];
  const turn = () => {
    setTheme(document.body.classList.contains("dark") ? "light" : "dark");
    keep(THEME, document.body.classList.contains("dark") ? "dark" : "light");
  };
  const speak = () => {
    keep(LANGUAGE, next[0]);
    location.reload();
  };
  const theme = button("◐", turn, "cr-icon", { "aria-label": say("header.theme"), title: say("header.theme") });
  return [button(next[1], speak, "mm-link", { lang: next[0] }), theme];
}

function setTheme(theme) {
  document.body.classList.toggle("dark", theme === "dark");
  document.documentElement.style.colorScheme = theme;
}
