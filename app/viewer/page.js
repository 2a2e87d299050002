// The page around the tabs: theme, language, the notice of the first visit, the help.

import { icon } from "./icons.js";
import { keep, recall } from "./preferences.js";
import { address } from "./server.js";

const THEME = "medmamba-theme", LANGUAGE = "medmamba-language", NOTICE = "medmamba-notice";

export function language() {
  return recall(LANGUAGE) ?? navigator.language;
}

// languages: names by code. hasForm: whether the visitor has logged in by a form, and may log out; forget() lets go of his pictures.
export async function mountHeader(element, words, { languages, hasForm }, forget) {
  setTheme(recall(THEME) ?? "dark");
  const options = Object.entries(languages).map(
    ([code, name]) => `<option value="${code}"${code === words.language ? " selected" : ""}>${name}</option>`,
  );
  element.innerHTML = `<header class="mm-header">
    <h1>${words.title}</h1><p>${words.tagline}</p>
    <a class="mm-link" href="classroom/teach" title="${words["class.link.words"]}">${words["class.link"]}</a>
    <button type="button" data-header="about">${words["header.about"]}</button>
    <button type="button" data-header="logout"${hasForm ? "" : " hidden"}>${words["header.logout"]}</button>
    <select data-header="language" aria-label="${words["header.language"]}">${options.join("")}</select>
    <button type="button" data-header="theme" aria-label="${words["header.theme"]}" title="${words["header.theme"]}">
      ${icon("theme")}</button></header>`;
  const on = (name, event, act) => element.querySelector(`[data-header=${name}]`).addEventListener(event, act);
  on("about", "click", () => showNotice(words, true));
  on("logout", "click", async () => {
    await forget(); // while the server still listens to this visitor
    // Others may have logged in under the same name. Where it leads to matters nothing: the page itself asks for the login again.
    await fetch(address("logout?all_session=false"), { redirect: "manual" }).catch(() => {});
    location.reload();
  });
  on("theme", "click", () => {
    setTheme(document.body.classList.contains("dark") ? "light" : "dark");
    keep(THEME, document.body.classList.contains("dark") ? "dark" : "light");
  });
  on("language", "change", (event) => {
    keep(LANGUAGE, event.target.value);
    location.reload();
  });
  showNotice(words);
}

function setTheme(theme) {
  document.body.classList.toggle("dark", theme === "dark");
  document.documentElement.style.colorScheme = theme;
}

// Shown once in a browser, and from the header at any time.
export function showNotice(words, always = false) {
  if (!always && recall(NOTICE)) return;
  const paragraphs = ["notice.1", "notice.2", "notice.3"].map((key) => `<li>${words[key]}</li>`).join("");
  const dialog = show("notice", words["notice.title"], `<ul>${paragraphs}</ul>`, words["notice.accept"]);
  dialog.addEventListener("close", () => keep(NOTICE, "seen"));
}

// without: keys that do nothing where the help is asked for.
export function showHelp(words, without = []) {
  const known = words["help.rows"].split("\n").map((row) => row.split("|"));
  const rows = known.filter(([keys]) => !without.includes(keys)).map(([keys, meaning]) => {
    return `<tr><th>${keys.split(" ").map((key) => `<kbd>${key}</kbd>`).join(" ")}</th><td>${meaning}</td></tr>`;
  });
  show("help", words["help.title"], `<table>${rows.join("")}</table><p>${words["help.mouse"]}</p>`, words["help.close"]);
}

// A dialog with one button that closes it; gone from the page once closed.
export function show(name, title, body, button) {
  const dialog = document.createElement("dialog");
  dialog.className = `mm-dialog mm-${name}`;
  dialog.setAttribute("aria-labelledby", `mm-${name}-title`);
  dialog.innerHTML = `<form method="dialog"><h2 id="mm-${name}-title">${title}</h2>${body}
    <p class="mm-dialog-end"><button class="mm-primary" autofocus>${button}</button></p></form>`;
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}
