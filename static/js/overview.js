// The whole search in one strip: the saw-tooth of every warm restart, the stair of the best, a frame round the step on show.

import { byId, h, oncePerFrame, s, setText } from "./dom.js";
import { offerData } from "./data.js";
import { percent } from "./format.js";
import { constantRate, rateAt } from "./series.js";

const TOP = 8; // per cent of the strip's height that stay free above

export class Overview {
  #store;
  #strip = byId("overview");
  #nSteps = null; // what it was built for
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    offerData("overview", () => this.#data());
    this.#strip.addEventListener("keydown", (event) => this.#key(event));
    store.listen((changed) => (changed.choice || changed.search || changed.candidates.size) && this.#draw());
    this.#show();
  }

  /** [{row, name, narrow, from, epochs}]: the cycles along the winning line. */
  #cycles() {
    const { config } = this.#store.search;
    const lengths = [config.epoch_pretrain, ...Array.from({ length: config.n_steps }, () => config.epoch_neigh), config.epoch_final];
    let from = 0;
    return lengths.map((epochs, row) => {
      const name = row === 0 ? "Pretraining" : row > config.n_steps ? "Final training" : `Step ${row}`;
      const narrow = row === 0 ? "Pre" : row > config.n_steps ? "Final" : String(row);
      const cycle = { row, name, narrow, from, epochs };
      from += epochs;
      return cycle;
    });
  }

  /** The cycles of the winning line: when each began, its rate at both ends, what came of it. */
  #data() {
    const { config } = this.#store.search;
    const rows = this.#cycles().map(({ row, name, from, epochs }) => {
      const winner = this.#store.winnerOf(row);
      const constant = constantRate(row > 0 && row <= config.n_steps ? "neighbour" : "", config);
      return [name, from, from + epochs, constant ?? config.lambda_start, constant ?? config.lambda_end, winner?.code ?? null, winner?.val_accuracy ?? null];
    });
    return { title: "The whole search", columns: ["cycle", "from epoch", "to epoch", "rate at its start", "rate at its end", "best", "validation accuracy"], rows };
  }

  /** Anew where the search was extended or cut short. */
  #build() {
    const { config } = this.#store.search;
    if (this.#nSteps === config.n_steps) return;
    this.#nSteps = config.n_steps;
    const top = Math.max(config.lambda_start, config.neighbour_rate ?? 0);
    const y = (rate) => (100 - ((100 - TOP) * rate) / top).toFixed(1);
    const cosine = Array.from({ length: 31 }, (_, i) => `${((100 * i) / 30).toFixed(1)} ${y(rateAt(i / 30, config))}`).join("L");
    const buttons = this.#cycles().map((cycle) => {
      const constant = constantRate(cycle.row > 0 && cycle.row <= config.n_steps ? "neighbour" : "", config);
      const button = this.#button(cycle, constant === null ? cosine : `0 ${y(constant)}L100 ${y(constant)}`);
      button.style.flexGrow = cycle.epochs;
      return button;
    });
    const stair = s("svg", { class: "stair", viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, s("path", { id: "stair-line" }));
    const compared = this.#button({ row: this.#store.comparisonRow, name: "Comparisons", narrow: "Comp." }, cosine);
    compared.classList.add("cycle-compared");
    this.#strip.replaceChildren(h("div", { class: "cycles" }, buttons, stair), compared);
  }

  #button({ row, name, narrow }, line) {
    const picture = s("svg", { class: "saw", viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, s("path", { d: `M0 100L${line}L100 100Z` }));
    const words = h("span", { class: "cycle-name" }, h("span", { class: "only-wide" }, name), h("span", { class: "only-narrow" }, narrow), h("span", { class: "cycle-best visually-hidden" }));
    return h("button", { type: "button", class: "cycle", "data-row": row, onclick: () => this.#store.showStep(row) }, picture, words);
  }

  #show() {
    this.#build();
    const { step, openRow, comparisonRow, comparisons } = this.#store;
    for (const button of this.#strip.querySelectorAll(".cycle")) {
      const row = Number(button.dataset.row);
      button.disabled = row !== comparisonRow && row > openRow;
      button.hidden = row === comparisonRow && comparisons.length === 0;
      button.setAttribute("aria-pressed", String(row === step));
      button.setAttribute("tabindex", row === step ? "0" : "-1");
      setText(button.querySelector(".cycle-best"), this.#words(row));
    }
    byId("stair-line").setAttribute("d", this.#stair());
  }

  /** What a cycle's button says to a screen reader beside its name. */
  #words(row) {
    const winner = this.#store.winnerOf(row);
    return winner?.val_accuracy != null ? `, ${percent(winner.val_accuracy)}` : "";
  }

  /** The decided best as a stair over the epochs of the winning line, scaled to its own range. */
  #stair() {
    const cycles = this.#cycles();
    const total = cycles.at(-1).from + cycles.at(-1).epochs;
    const won = cycles.flatMap((cycle) => {
      const value = this.#store.winnerOf(cycle.row)?.val_accuracy;
      return value == null || cycle.row > this.#store.nSteps ? [] : [{ at: cycle.from + cycle.epochs, value, row: cycle.row }];
    });
    if (won.length === 0) return "";
    const [low, high] = [Math.min(...won.map((w) => w.value)), Math.max(...won.map((w) => w.value))];
    const x = (epoch) => ((100 * epoch) / total).toFixed(2);
    const y = (value) => (75 - (high > low ? (50 * (value - low)) / (high - low) : 25)).toFixed(2);
    let d = `M${x(won[0].at)} ${y(won[0].value)}`;
    for (const { at, value } of won.slice(1)) d += `H${x(at)}V${y(value)}`;
    const open = cycles[won.at(-1).row + 1];
    const running = open ? this.#store.row(open.row).reduce((most, c) => Math.max(most, c.epoch), 0) : 0;
    return `${d}H${x(won.at(-1).at + running)}`;
  }

  #key(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const { openRow, comparisons, comparisonRow, step } = this.#store;
    const row = Math.min(comparisons.length ? comparisonRow : openRow, Math.max(0, step + move));
    this.#store.showStep(row);
    this.#strip.querySelector(`[data-row="${row}"]`)?.focus();
  }
}
