// The lineage tree: drawn by the server, chosen in and walked through here.
// What changes its structure fetches it anew; progress between is patched into the node.

import { byId, setText } from "./dom.js";
import { isComparison } from "./state.js";
import { drawing } from "./svg-source.js";

const STRUCTURAL = new Set(["step_planned", "candidate_started", "candidate_ended", "candidate_released", "step_decided"]);
const isStructural = ({ kind }) => STRUCTURAL.has(kind) || kind?.startsWith("search_");

const EPOCH = /\d+( of |\/)\d+/;

export class Tree {
  #store;
  #box = byId("tree");
  #width;
  #fetching = false;
  #again = false;

  constructor(store) {
    this.#store = store;
    this.#width = Number(this.#box.dataset.width);
    this.#box.addEventListener("click", (event) => this.#click(event));
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    store.listen((changed) => this.#hear(changed));
    new ResizeObserver(() => this.#fit()).observe(this.#box);
    this.#dress();
  }

  #hear(changed) {
    if (isStructural(changed)) this.#fetch();
    else if (changed.choice) this.#dress();
    else for (const id of changed.candidates) this.#patch(this.#store.candidates.get(id));
  }

  /** The drawing is laid out anew for the desk and for the phone, never scaled down. */
  #fit() {
    const room = this.#box.clientWidth;
    if (room < 200) return; // hidden, or the window is being changed
    const width = room < 560 ? Math.max(280, room) : Math.min(1200, room);
    if (Math.abs(width - this.#width) < 24) return;
    this.#width = width;
    this.#fetch();
  }

  async #fetch() {
    if (this.#store.search.deleted) return; // there is nothing at its address any more
    if (this.#fetching) {
      this.#again = true;
      return;
    }
    this.#fetching = true;
    try {
      const fresh = await drawing(`${this.#box.dataset.src}?width=${this.#width}`);
      const focused = this.#box.contains(document.activeElement) ? document.activeElement.id : null;
      this.#box.replaceChildren(fresh);
      this.#dress();
      if (focused) byId(focused)?.focus();
    } catch {
      // the server is away: the next event after the connection is back fetches it
    } finally {
      this.#fetching = false;
      if (this.#again) {
        this.#again = false;
        this.#fetch();
      }
    }
  }

  #node(candidate) {
    return candidate ? this.#box.querySelector(`#node-${candidate.id}`) : null;
  }

  /** Marks the chosen node, gives it the one tab stop (a comparison is no node: then the final training's), shows progress. */
  #dress() {
    const { chosen, final, best } = this.#store;
    const stop = [chosen, final, best].find((candidate) => this.#node(candidate));
    for (const node of this.#box.querySelectorAll("[id^='node-']")) {
      const on = chosen !== null && node.id === `node-${chosen.id}`;
      node.classList.toggle("is-chosen", on);
      node.setAttribute("aria-selected", String(on));
      node.setAttribute("tabindex", stop && node.id === `node-${stop.id}` ? "0" : "-1");
    }
    for (const candidate of this.#store.running) this.#patch(candidate);
    this.#show(this.#node(chosen));
    this.#ramp();
  }

  /** A tree that is wider than its panel is scrolled to the chosen node; the page stays where it is. */
  #show(node) {
    if (!node || this.#box.scrollWidth <= this.#box.clientWidth) return;
    const [box, at] = [this.#box.getBoundingClientRect(), node.getBoundingClientRect()];
    if (at.left < box.left + 40 || at.right > box.right) this.#box.scrollLeft += at.left + at.width / 2 - box.left - box.width / 2;
  }

  /** The ends of the colour ramp, as the drawing has them: whole per cents around the decided rows. */
  #ramp() {
    const done = this.#store.all.filter((c) => c.status === "done" && c.val_accuracy !== null);
    const decided = done.filter((c) => c.kind === "pretrain" || this.#store.winnerOf(c.step));
    const values = (decided.some((c) => c.step > 0) ? decided : done).map((c) => 100 * c.val_accuracy);
    byId("ramp").hidden = values.length === 0;
    if (values.length === 0) return;
    const low = Math.floor(Math.min(...values) + 1e-7);
    setText(byId("ramp-low"), String(low));
    setText(byId("ramp-high"), `${Math.max(low + 1, Math.ceil(Math.max(...values) - 1e-7))}\u202f%`);
  }

  #patch(candidate) {
    const node = this.#node(candidate);
    if (!node || candidate.status !== "running") return;
    const now = `${Math.min(candidate.epochs, Math.floor(candidate.epoch) + 1)}$1${candidate.epochs}`;
    const text = node.querySelector(".val");
    if (text) setText(text, text.textContent.replace(EPOCH, now));
    node.setAttribute("aria-label", node.getAttribute("aria-label").replace(EPOCH, now));
    const [track, fill] = [node.querySelector(".run-track"), node.querySelector(".run-fill")];
    if (track && fill) fill.setAttribute("width", (Number(track.getAttribute("width")) * Math.min(1, candidate.epoch / candidate.epochs)).toFixed(1));
  }

  // ------------------------------------------------------------------ choosing

  #candidateOf(event) {
    const node = event.target.closest("[id^='node-']");
    return node ? (this.#store.candidates.get(Number(node.id.slice(5))) ?? null) : null;
  }

  #click(event) {
    const candidate = this.#candidateOf(event);
    if (candidate) this.#store.choose(candidate.code);
  }

  #key(event) {
    const candidate = this.#candidateOf(event);
    if (!candidate || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter") {
      location.href = candidate.url;
      return;
    }
    const next = this.#neighbour(candidate, event.key);
    if (!next) return;
    event.preventDefault();
    this.#store.choose(next.code);
    this.#node(next)?.focus();
  }

  /** Left and right in the row, up to the parent, down to the best child, Home and End of the row. */
  #neighbour(candidate, key) {
    const row = this.#store.row(this.#store.rowOf(candidate));
    const place = row.indexOf(candidate);
    const steps = {
      ArrowLeft: () => row[place - 1],
      ArrowRight: () => row[place + 1],
      Home: () => row[0],
      End: () => row.at(-1),
      ArrowUp: () => this.#store.parentOf(candidate),
      ArrowDown: () => this.#bestChild(candidate),
      " ": () => candidate,
    };
    return steps[key]?.() ?? null;
  }

  #bestChild(candidate) {
    const children = this.#store.all.filter((c) => c.parent === candidate.id && !isComparison(c));
    return children.find((c) => c.winner) ?? children.reduce((top, c) => (top === null || (this.#store.measure(c) ?? -1) > (this.#store.measure(top) ?? -1) ? c : top), null);
  }
}
