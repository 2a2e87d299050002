// What an answer comes to where a class is more or less frequent than among the training pictures.

import { fill } from "./dom.js";
import { percent } from "./numbers.js";

const [LEAST, MOST] = [0.001, 0.95]; // ends of the slider, which moves in log odds: rare things need its fine end

const logit = (share) => Math.log(share / (1 - share));
const share = (logOdds) => 1 / (1 + Math.exp(-logOdds));

// Bayes: the odds change by the factor by which the prior odds change; the other classes keep their proportions
// (Saerens et al. 2002, for one class against the rest).
export function revised(probability, prior, frequency) {
  if (probability <= 0 || probability >= 1) return probability;
  return share(logit(probability) + logit(frequency) - logit(prior));
}

// Lives as long as the panel, whose inside is new with every answer: what was set stays set, since a clinic keeps its patients
// from one picture to the next.
export class Prevalence {
  constructor(panel, words) {
    Object.assign(this, { panel, words, chosen: null, set: new Map() });
    panel.addEventListener("input", (event) => this.change(event.target));
    new MutationObserver(() => this.follow()).observe(panel, { childList: true, subtree: true });
    this.follow();
  }

  get option() {
    return this.part.querySelector("select").selectedOptions[0];
  }

  get key() {
    return `${this.part.dataset.task} ${this.option.value}`;
  }

  follow() {
    const part = this.panel.querySelector("[data-part=prevalence]");
    if (!part || part === this.part) return;
    this.part = part;
    const select = part.querySelector("select");
    if ([...select.options].some(({ value }) => value === this.chosen)) select.value = this.chosen;
    this.show();
  }

  change(input) {
    const { prevalence } = input.dataset;
    if (prevalence === "class") this.chosen = input.value;
    if (prevalence === "share") this.set.set(this.key, Number(input.value));
    if (prevalence) this.show();
  }

  show() {
    const slider = this.part.querySelector("input"), { probability, prior } = this.option.dataset;
    Object.assign(slider, { min: logit(LEAST), max: logit(MOST) });
    const own = this.set.get(this.key), frequency = own === undefined ? Number(prior) : share(own);
    slider.value = logit(frequency);
    slider.setAttribute("aria-valuetext", percent(frequency, this.words));
    this.part.querySelector("[data-part=revised]").textContent = fill(this.words["answer.prevalence.revised"], {
      label: this.option.textContent,
      frequency: percent(frequency, this.words),
      revised: percent(revised(Number(probability), Number(prior), frequency), this.words),
      prior: percent(Number(prior), this.words),
      probability: percent(Number(probability), this.words),
    });
  }
}
