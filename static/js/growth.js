// The growth slider: one stop for each network of the winning line. A stop is the choice of that network, so that
// tree, curves and drawing go along; more stops come as steps are decided.

import { byId, h } from "./dom.js";
import { count, short } from "./format.js";

const STOP_MILLISECONDS = 900;
const MOST_TICKS = 24; // of more stops only those with words have a tick

export class Growth {
  #store;
  #box = byId("growth");
  #slider = byId("growth-slider");
  #play = byId("growth-play");
  #line = [];
  #timer = null;
  #own = false; // whether the choice that is told of is one of this slider's

  constructor(store) {
    this.#store = store;
    this.#slider.addEventListener("input", () => this.#goTo(Number(this.#slider.value)));
    this.#play.addEventListener("click", () => (this.#timer === null ? this.#start() : this.#stop()));
    store.listen((changed) => this.#hear(changed));
    this.#show();
  }

  #hear(changed) {
    if (changed.choice && !this.#own) this.#stop();
    if (changed.choice || changed.search || changed.candidates.size) this.#show();
  }

  /** The networks from model_0 to the winner of the last decided step. */
  #networks() {
    const store = this.#store;
    const line = [];
    for (let row = 0; row <= Math.min(store.openRow, store.nSteps); row += 1) {
      const network = store.winnerOf(row);
      if (network) line.push(network);
    }
    return line;
  }

  #show() {
    const line = this.#networks();
    this.#box.hidden = line.length < 2;
    if (line.length < 2) return;
    if (line.map((c) => c.id).join() !== this.#line.map((c) => c.id).join()) this.#build(line);
    const at = this.#at(this.#store.chosen);
    this.#slider.value = at;
    this.#slider.setAttribute("aria-valuetext", `${line[at].code}, step ${line[at].step}, ${count(line[at].n_parameters)} parameters`);
    for (const [i, tick] of [...byId("growth-ticks").children].entries()) tick.classList.toggle("on", i === at);
  }

  /** Ticks that have room for their words: both ends, and as many between as fit. */
  #build(line) {
    this.#line = line;
    this.#slider.max = line.length - 1;
    const every = Math.ceil(line.length / 6);
    const named = (i) => i === line.length - 1 || (i % every === 0 && line.length - 1 - i >= every);
    byId("growth-ticks").classList.toggle("many", line.length > MOST_TICKS);
    byId("growth-ticks").replaceChildren(
      ...line.map((c, i) => h("li", { class: named(i) ? null : "unnamed" }, named(i) && [h("strong", null, c.code), h("span", null, short(c.n_parameters))])),
    );
  }

  /** The stop of a network, else of the nearest one that it descends from. */
  #at(candidate) {
    const ids = this.#line.map((c) => c.id);
    if (candidate?.kind === "final" && candidate.status === "done") return ids.length - 1;
    for (let c = candidate; c; c = this.#store.parentOf(c)) {
      if (ids.includes(c.id)) return ids.indexOf(c.id);
    }
    return 0;
  }

  #goTo(stop, playing = false) {
    if (!playing) this.#stop();
    this.#own = true;
    this.#store.choose(this.#line[stop].code);
    this.#own = false;
  }

  // ------------------------------------------------------------------ playing

  #start() {
    const last = this.#line.length - 1;
    if (Number(this.#slider.value) >= last) this.#goTo(0, true);
    this.#timer = setInterval(() => {
      const next = Number(this.#slider.value) + 1;
      if (next <= last) this.#goTo(next, true);
      if (next >= last) this.#stop();
    }, STOP_MILLISECONDS);
    this.#label();
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#label();
  }

  #label() {
    const playing = this.#timer !== null;
    this.#play.setAttribute("aria-label", playing ? "Hold the growth here" : "Play the growth from model_0");
    const use = this.#play.querySelector("use");
    use.setAttribute("href", `${document.body.dataset.icons}#${playing ? "pause" : "play"}`);
  }
}
