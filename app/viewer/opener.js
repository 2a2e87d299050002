// The way in: an empty stage to drop on, later a slim row above the picture.

import { icon } from "./icons.js";

export function opener(words) {
  const row = document.createElement("div");
  row.className = "mm-opener";
  row.innerHTML = `
    <div class="mm-drop">
      <p class="mm-drop-title">${words["open.title"]}</p>
      <p class="mm-drop-hint">${words["open.hint"]}</p>
      <p class="mm-drop-buttons">
        <button type="button" class="mm-primary" data-open="file" title="${words["open.file"]}">${icon("open")}<span>${words["open.file"]}</span></button>
        <button type="button" data-open="photo" title="${words["open.photo"]}">${icon("camera")}<span>${words["open.photo"]}</span></button>
        <button type="button" data-do="close" title="${words["open.close"]}" aria-label="${words["open.close"]}">${icon("close")}</button>
      </p>
      <p class="mm-line" data-part="cases" hidden>
        <button type="button" data-do="previous" aria-label="${words["viewer.previous"]}" title="${words["viewer.previous"]} (p)">
          ${icon("previous")}</button>
        <output></output>
        <button type="button" data-do="next" aria-label="${words["viewer.next"]}" title="${words["viewer.next"]} (n)">
          ${icon("next")}</button>
      </p>
    </div>
    <input type="file" data-part="file" multiple hidden tabindex="-1" aria-label="${words["open.file"]}">
    <input type="file" data-part="photo" accept="image/*" capture="environment" hidden tabindex="-1" aria-label="${words["open.photo"]}">`;
  return row;
}
