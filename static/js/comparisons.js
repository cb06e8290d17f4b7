// What the search buys: hill climbing beside the networks that it is compared with, and asking for more of them.

import { axisOf, plot, scaleOf } from "./interval-plot.js";
import { byId, h, oncePerFrame, setChildren, setRows, setText } from "./dom.js";
import { offerData } from "./data.js";
import { count, duration, interval, percent, plural, points, short, sum } from "./format.js";
import { isComparison } from "./state.js";
import { chooseByRow, progress } from "./table.js";

export class Comparisons {
  #store;
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    chooseByRow(byId("comparisons-body"), store);
    store.listen((changed) => (changed.choice || changed.search || changed.candidates.size) && this.#draw());
    this.#listenToOffer();
    offerData("comparisons", () => this.#data());
    this.#show();
  }

  #data() {
    const { comparisons, final, search } = this.#store;
    const rows = [final, ...comparisons].map((c) => {
      const error = c.test_accuracy === null ? null : 1 - c.test_accuracy;
      const [low, high] = error === null ? [null, null] : interval(error, search.dataset.n_test);
      const compared = isComparison(c);
      return [compared ? c.code : "hill climbing", c.status, error, low, high, compared ? c.epochs : this.#searchEpochs(), compared ? c.seconds : this.#searchSeconds(), c.n_parameters, c.n_macs];
    });
    return { title: "Comparisons", columns: ["network", "status", "test error", "95 % low", "95 % high", "epochs", "training seconds", "parameters", "MACs"], rows };
  }

  #show() {
    const { comparisons, final, testAccuracy } = this.#store;
    const measured = comparisons.length > 0 && testAccuracy !== null; // an extended search is to be measured again
    byId("comparisons").hidden = !measured;
    if (measured) this.#table([final, ...comparisons]);
    this.#offer();
  }

  // ------------------------------------------------------------------ the table

  #table(rows) {
    const n = this.#store.search.dataset.n_test;
    const tested = rows.filter((c) => c.test_accuracy !== null);
    const scale = scaleOf(tested.map((c) => interval(1 - c.test_accuracy, n)));
    const [final] = rows;
    const band = interval(1 - final.test_accuracy, n);
    setText(byId("comparisons-sub"), `Each is trained on training + validation set and looks at the ${count(n)} test images once.`);
    setChildren(byId("comparisons-axis"), axisOf(scale));
    setRows(byId("comparisons-body"), rows.map((candidate) => this.#row(candidate, n, scale, band)));
  }

  #row(candidate, n, scale, band) {
    const compared = isComparison(candidate);
    const isChosen = candidate.id === this.#store.chosen?.id;
    const classes = [!compared && "is-winner", isChosen && "is-chosen", `is-${candidate.status}`];
    const error = candidate.test_accuracy === null ? null : 1 - candidate.test_accuracy;
    return h(
      "tr",
      { class: classes.filter(Boolean).join(" "), "data-id": candidate.id },
      h("th", { scope: "row" }, h("a", { href: candidate.url }, compared ? candidate.code : "hill climbing"), chooser(candidate, isChosen), this.#under(candidate)),
      h("td", { class: "num accuracy", "data-label": "Test error" }, this.#error(candidate, error, n)),
      h("td", { class: "plot", "aria-hidden": "true" }, error === null ? "" : plot(interval(error, n), error, scale, band)),
      h("td", { class: "num", "data-label": "Epochs" }, count(compared ? candidate.epochs : this.#searchEpochs())),
      h("td", { class: "num", "data-label": "Training time" }, duration(compared ? candidate.seconds : this.#searchSeconds())),
      h("td", { class: "num", "data-label": "Parameters" }, count(candidate.n_parameters)),
      h("td", { class: "num", "data-label": "MACs" }, short(candidate.n_macs)),
    );
  }

  /** A second line under the name: what a failed one died of, what hill climbing's numbers hold. */
  #under(candidate) {
    const words = isComparison(candidate) ? candidate.reason : "the whole search";
    return words !== "" && h("span", { class: "under muted" }, words);
  }

  #error(candidate, error, n) {
    if (error === null) return progress(candidate);
    const [low, high] = interval(error, n);
    const reference = this.#store.final.test_accuracy;
    const against = isComparison(candidate) ? `${points(reference - candidate.test_accuracy)} points · ` : "";
    return [h("strong", null, percent(error)), h("span", { class: "under muted" }, `${against}${(100 * low).toFixed(1)} to ${percent(high, 1)}`)];
  }

  /** Epochs and seconds of every training of Algorithm 1, the final one among them. */
  #searchEpochs() {
    return this.#searched().reduce((sum, c) => sum + (c.status === "done" ? c.epochs : c.epoch), 0);
  }

  #searchSeconds() {
    return this.#searched().reduce((sum, c) => sum + (c.seconds ?? 0), 0);
  }

  #searched() {
    return this.#store.all.filter((candidate) => !isComparison(candidate));
  }

  // ------------------------------------------------------------------ asking for more

  /** What is not compared yet, as [name, epochs of each training]; nothing of what would train nothing. */
  #open() {
    const { config, comparison_lengths: lengths } = this.#store.search;
    return Object.entries(lengths).filter(([name, each]) => each.length > 0 && !config.comparisons.includes(name));
  }

  #offer() {
    const button = byId("compare-open");
    if (!button) return; // somebody else's search
    const open = new Map(this.#open());
    button.hidden = this.#store.search.status !== "finished" || open.size === 0;
    for (const item of byId("compare").querySelectorAll("[data-comparison]")) {
      const each = open.get(item.dataset.comparison);
      item.hidden = each === undefined;
      item.querySelector("input").disabled = each === undefined;
      if (each) setText(item.querySelector("[data-epochs-of]"), plural(sum(each), "epoch"));
    }
    this.#total();
  }

  #total() {
    const open = new Map(this.#open());
    const ticked = [...byId("compare").querySelectorAll("input:checked:not(:disabled)")].map((box) => open.get(box.value) ?? []);
    byId("compare-yes").disabled = ticked.length === 0;
    setText(byId("compare-total"), ticked.length ? `${plural(ticked.flat().length, "training")}, ${plural(sum(ticked.flat()), "epoch")}.` : "");
  }

  #listenToOffer() {
    const dialog = byId("compare");
    if (!dialog) return;
    byId("compare-open").addEventListener("click", () => dialog.showModal());
    byId("compare-no").addEventListener("click", () => dialog.close());
    dialog.addEventListener("change", () => this.#total());
  }
}

/** No node of the tree stands for a comparison: this is how the keyboard chooses it. */
function chooser({ code }, isChosen) {
  return h("button", { class: "btn btn-sm", type: "button", "data-choose": true, "aria-pressed": String(isChosen), "aria-label": `Show ${code} in drawing and curves` }, "Show");
}
