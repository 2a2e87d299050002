// Pictures to try, as a strip of thumbnails, and what is known of the one that is open.

import { address, examples } from "./server.js";

export class Examples {
  // choose(number) is called for the one that was clicked.
  constructor(words, choose) {
    this.words = words;
    this.list = [];
    this.element = document.createElement("section");
    this.element.className = "mm-examples";
    this.element.hidden = true;
    this.element.innerHTML = `<h3>${words["examples.title"]}</h3><ul></ul><p class="mm-note" role="status" hidden></p>`;
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-example]");
      if (button) choose(Number(button.dataset.example));
    });
    this.load();
  }

  // Without examples, or without an answer, there is no strip.
  async load() {
    this.list = await examples().catch(() => []);
    this.element.querySelector("ul").replaceChildren(...this.list.map((example) => this.item(example)));
    this.element.hidden = !this.list.length;
  }

  item(example) {
    const item = document.createElement("li"), button = document.createElement("button");
    const picture = document.createElement("img"), title = document.createElement("span");
    Object.assign(picture, { src: address(`examples/${example.number}`), width: 88, height: 88, loading: "lazy" });
    picture.alt = this.known(example);
    title.textContent = example.title;
    title.setAttribute("aria-hidden", "true"); // the picture's text begins with it
    Object.assign(button, { type: "button", title: this.known(example) });
    button.dataset.example = example.number;
    button.append(picture, title);
    item.append(button);
    return item;
  }

  known({ title, label }) {
    return `${title}: ${label ? this.words["examples.label"].replace("{label}", label) : this.words["examples.noLabel"]}`;
  }

  // Tells what is known of the open picture; null where it is no example.
  mark(number) {
    const example = this.list.find((example) => example.number === number), line = this.element.querySelector("p");
    for (const button of this.element.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", Number(button.dataset.example) === number);
    }
    line.hidden = !example;
    if (!example) return;
    const licence = example.licence && this.words["examples.licence"].replace("{licence}", example.licence);
    line.textContent = [this.known(example), example.source, licence].filter(Boolean).join(" · ");
  }
}
