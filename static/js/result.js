// The end: the test error, and the model to take away.

import { byId, oncePerFrame, setText } from "./dom.js";
import { bytes, count, duration, interval, percent, plural, short } from "./format.js";

export class Result {
  #store;
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    store.listen((changed) => (changed.search || changed.candidates.size) && this.#draw());
    this.#show();
  }

  #show() {
    const { search, testAccuracy: accuracy } = this.#store;
    const over = accuracy !== null;
    byId("result").hidden = !over;
    byId("progress").hidden = over && search.status === "finished";
    byId("status").toggleAttribute("data-over", over); // while it is compared only the bar is left of the progress
    this.#take(!over);
    if (!over) return;
    const { final } = this.#store;
    const winner = final ? this.#store.parentOf(final) : null;
    const n = search.dataset.n_test;
    const [low, high] = interval(accuracy, n);
    setText(byId("result-error"), percent(1 - accuracy));
    setText(byId("result-interval"), `accuracy ${percent(accuracy)}, 95\u202f% interval ${(100 * low).toFixed(1)} to ${percent(high, 1)} (${count(n)} images)`);
    this.#scale(low, high, accuracy);
    setText(byId("result-parameters"), final ? count(final.n_parameters) : "–");
    setText(byId("result-macs"), final ? short(final.n_macs) : "–");
    setText(byId("result-time"), duration(search.seconds_to_final));
    setText(byId("result-disk"), `${bytes(search.disk_bytes)} on disk`);
    setText(byId("result-validation"), winner ? percent(winner.val_accuracy) : "–");
    setText(byId("result-chosen"), winner ? `${winner.code}, when it was chosen` : "");
    const link = byId("result-download");
    link.hidden = search.download === null;
    if (search.download) link.href = search.download;
  }

  /** Without a final model, the best so far or the model from before the search was extended can be taken away. */
  #take(isOffered) {
    const { search } = this.#store;
    const of = this.#store.candidates.get(search.download_of);
    byId("take").hidden = !isOffered || !of;
    if (!of) return;
    byId("take-link").href = search.download;
    setText(byId("take-words"), of.kind === "final" ? `Download the model of ${plural(of.step, "step")}` : `Download the best so far, ${of.code}`);
  }

  /** The interval on an axis of its own, whole per cents at both ends. */
  #scale(low, high, value) {
    const [from, to] = [Math.floor(100 * low - 0.25), Math.min(100, Math.ceil(100 * high + 0.25))];
    const place = (v) => `${((100 * (100 * v - from)) / (to - from)).toFixed(2)}%`;
    const whisker = byId("result-whisker");
    whisker.style.insetInlineStart = place(low);
    whisker.style.width = `${((10_000 * (high - low)) / (to - from)).toFixed(2)}%`;
    byId("result-dot").style.insetInlineStart = place(value);
    setText(byId("result-low"), `${from}`);
    setText(byId("result-high"), `${to}\u202f%`);
  }
}
