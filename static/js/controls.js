// Which buttons a search's page offers, as its state changes, and the form that extends it.

import { byId, oncePerFrame, setText } from "./dom.js";
import { count, plural } from "./format.js";

/** What a button needs beside the state (data-needs): "" where it is there, null: not offered, else why not yet. */
const NEEDS = {
  survivor(store) {
    if (store.openRow > store.nSteps) return "The final training is under way already.";
    return store.winnerOf(0) ? "" : "Possible once model_0 has been trained.";
  },
  snapshots(store) {
    return store.nSteps > 1 ? "" : null;
  },
  use(store) {
    return store.search.can_go_on ? "" : null; // its engine version is another one, or its threads and path are refused
  },
  failed(store) {
    return store.all.some((candidate) => store.canRetry(candidate)) ? "" : null;
  },
};

export class Controls {
  #store;
  #words = new Map(); // a menu item's own words, while others stand in their place
  #show = oncePerFrame(() => this.#draw());

  constructor(store) {
    this.#store = store;
    if (!byId("more")) return; // somebody else's search
    for (const element of document.querySelectorAll("[data-words]")) this.#words.set(element, element.textContent);
    document.addEventListener("submit", (event) => this.#guard(event), { capture: true });
    store.listen((changed) => (changed.search || changed.candidates.size) && this.#show());
    this.#listenToExtend();
    this.#draw();
  }

  #draw() {
    const { status, deleted } = this.#store.search;
    byId("controls").hidden = deleted !== null;
    byId("undelete").hidden = deleted === null;
    for (const element of document.querySelectorAll("[data-offered-in]")) this.#offer(element, status);
  }

  #offer(element, status) {
    const { offeredIn, needs } = element.dataset;
    const missing = needs ? NEEDS[needs](this.#store) : "";
    element.hidden = !offeredIn.split(" ").includes(status) || missing === null;
    const words = element.querySelector("[data-words]");
    if (!words || missing === null) return;
    setText(words, missing || this.#words.get(words));
    if (missing) element.querySelector("button").setAttribute("aria-disabled", "true");
    else element.querySelector("button").removeAttribute("aria-disabled");
  }

  /** A button that is not possible yet can be reached and read, and does nothing. */
  #guard(event) {
    if (event.submitter?.getAttribute("aria-disabled") !== "true") return;
    event.preventDefault();
    event.stopPropagation();
  }

  // ------------------------------------------------------------------ extending

  #listenToExtend() {
    const dialog = byId("extend");
    const field = byId("extend-n");
    byId("extend-open").addEventListener("click", () => {
      field.min = this.#least();
      field.value = this.#least();
      setText(byId("extend-words"), this.#story());
      this.#cost();
      dialog.showModal();
      field.select();
    });
    byId("extend-no").addEventListener("click", () => dialog.close());
    field.addEventListener("input", () => this.#cost());
  }

  /** A search that was stopped can go on to the steps that it was to have. */
  #least() {
    return this.#store.nSteps + (this.#store.search.status === "stopped" ? 0 : 1);
  }

  /** How many steps were decided, from the first. */
  #decided() {
    let n = 0;
    while (n < this.#store.nSteps && this.#store.winnerOf(n + 1)) n += 1;
    return n;
  }

  #story() {
    const n = this.#decided();
    const stay = n > 1 ? `Steps 1 to ${count(n)} stay as they are. ` : n === 1 ? "Step 1 stays as it is. " : "";
    const final = this.#store.final?.status === "done" ? " The model of now stays, too." : "";
    if (n === this.#store.nSteps) return `${stay}The search goes on from the best of step ${count(n)}; after the new steps comes a new final training.${final}`;
    const where = this.#store.winnerOf(0) ? `step ${count(n + 1)}` : "the pretraining";
    return `${stay}The search goes on with ${where}, where it was cut off: what was trained of it stays. The final training comes after the last step.${final}`;
  }

  /** Epochs of the steps that are to come, less what was trained of the one that was cut off. */
  #cost() {
    const { config } = this.#store.search;
    const wanted = byId("extend-n").valueAsNumber;
    const possible = Number.isInteger(wanted) && wanted >= this.#least();
    const n = this.#decided();
    const pretraining = this.#store.winnerOf(0) ? 0 : config.epoch_pretrain;
    const trained = n < this.#store.nSteps ? this.#store.row(n + 1).filter((c) => c.kind === "neighbour" && c.status === "done").length : 0;
    const epochs = pretraining + ((wanted - n) * config.n_neigh - trained) * config.epoch_neigh + config.epoch_final;
    const more = wanted - this.#store.nSteps;
    const sum = n === this.#store.nSteps && more > 0 ? `${plural(more, "more step")}: ${count(more)} × ${count(config.n_neigh)} × ${count(config.epoch_neigh)} + ${count(config.epoch_final)} =` : `${plural(wanted - n, "step")} to come and the final training:`;
    setText(byId("extend-total"), possible ? `${sum} ${plural(epochs, "epoch")}.` : `At least ${count(this.#least())}.`);
  }
}
