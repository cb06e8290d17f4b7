// Which buttons a search's page offers, as its state changes, and the form that extends it.

import { byId, oncePerFrame, setText } from "./dom.js";
import { count, plural } from "./format.js";

/** What a button needs beside the state (data-needs): "" where it is there, null: not offered, else why not yet. */
const NEEDS = {
  survivor(store) {
    if (store.openRow > store.nSteps) return "The final training is under way already.";
    const neighbours = store.all.some((c) => c.kind === "neighbour" && c.status === "done");
    return neighbours ? "" : "Possible once model_0 and a first neighbour have been trained.";
  },
  decided(store) {
    return store.winnerOf(store.nSteps) ? "" : null;
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
      const { n_steps: steps } = this.#store.search.config;
      field.min = steps + 1;
      field.value = steps + 1;
      setText(byId("extend-words"), `${steps === 1 ? "Step 1 stays as it is" : `Steps 1 to ${count(steps)} stay as they are`}. The search goes on from the best of step ${count(steps)}; after the new steps comes a new final training. The model of now stays, too.`);
      this.#cost();
      dialog.showModal();
      field.select();
    });
    byId("extend-no").addEventListener("click", () => dialog.close());
    field.addEventListener("input", () => this.#cost());
  }

  #cost() {
    const { n_steps: steps, n_neigh: neigh, epoch_neigh: each, epoch_final: final } = this.#store.search.config;
    const more = byId("extend-n").valueAsNumber - steps;
    const possible = Number.isInteger(more) && more > 0;
    setText(byId("extend-total"), possible ? `${plural(more, "more step")}: ${count(more)} × ${count(neigh)} × ${count(each)} + ${count(final)} = ${plural(more * neigh * each + final, "epoch")}.` : `More than ${count(steps)}.`);
  }
}
