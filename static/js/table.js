// The candidates of the step on show: morphisms, accuracy with its interval, size, seal, time.

import { byId, h, icon, oncePerFrame, replaceKeepingFocus, segmented, setText } from "./dom.js";
import { count, duration, interval, percent, plusMinus, scientific, short } from "./format.js";
import { axisOf, plot, scaleOf } from "./interval-plot.js";
import { hasEnded, isParentSlot } from "./state.js";
import { STATUS_WORDS, morphismWords } from "./words.js";

const [MOST, FIRST] = [20, 12]; // a longer step shows so many at first

export class Table {
  #store;
  #all = null; // the step that somebody wanted to see whole
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    store.listen((changed) => (changed.choice || changed.search || changed.candidates.size) && this.#draw());
    this.#show();
  }

  #show() {
    const store = this.#store;
    const step = this.#step;
    const rows = ranked(store.row(step), (c) => store.measure(c));
    this.#head(rows);
    const n = store.search.dataset.n_validation;
    const measured = rows.filter((c) => c.val_accuracy !== null);
    const scale = scaleOf(measured.map((c) => interval(c.val_accuracy, n)));
    const top = store.winnerOf(step) ?? store.leaderOf(step);
    const band = top && top.val_accuracy !== null ? interval(top.val_accuracy, n) : null;
    byId("children-axis").replaceChildren(axisOf(scale));
    const shown = this.#all === step || rows.length <= MOST ? rows : rows.slice(0, FIRST);
    byId("children-body").replaceChildren(...shown.map((candidate, i) => this.#row(candidate, i, n, scale, band, top)));
    this.#more(rows.length - shown.length);
    byId("children-axis").hidden = scale === null;
  }

  /** The row on show: the comparisons have a table of their own, here the final training stands for them. */
  get #step() {
    return Math.min(this.#store.step, this.#store.nSteps + 1);
  }

  #more(hidden) {
    const button = byId("children-more");
    button.hidden = hidden === 0;
    button.textContent = `${hidden} more candidates`;
    button.onclick = () => {
      this.#all = this.#step;
      this.#show();
    };
  }

  #head(rows) {
    const { nSteps, openRow } = this.#store;
    const step = this.#step;
    const title = step === 0 ? "Pretraining" : step > nSteps ? "Final training" : `Candidates of step ${step}`;
    setText(byId("children-h"), title);
    setText(byId("children-sub"), this.#sub(rows));
    setText(byId("children-caption"), `${title}, by ${this.#store.search.config.selection === "balanced" ? "balanced" : "validation"} accuracy`);
    const name = (row) => (row === 0 ? "Pre" : row > nSteps ? "Final" : `${openRow < 8 ? "Step " : ""}${row}`);
    const rowsThere = Array.from({ length: openRow + 1 }, (_, row) => [row, name(row)]);
    const tools = segmented("Step", rowsThere, step, (row) => this.#store.showStep(row));
    replaceKeepingFocus(byId("children-tools"), rowsThere.length > 1 ? tools : "");
  }

  #sub(rows) {
    const { nSteps } = this.#store;
    const step = this.#step;
    if (step > nSteps) return "The winner on training + validation set; its test accuracy is looked at once, at the end.";
    if (step === 0) return "model_0, trained from scratch. Every later network descends from it.";
    const winner = this.#store.winnerOf(step);
    if (winner) return `${winner.code} won by the rule highest validation accuracy.`;
    if (rows.every(hasEnded)) return "None of them came to a validation accuracy; each says why.";
    if (this.#store.search.status === "stopped") return "Stopped before it was decided.";
    const open = rows.filter((c) => c.status === "pending" || c.status === "running").length;
    return `Open: decided when ${open === 1 ? "the last candidate has" : `${open} more have`} ended. Then the highest validation accuracy wins.`;
  }

  #row(candidate, place, n, scale, band, top) {
    const classes = [candidate.winner && "is-winner", candidate.id === this.#store.chosen?.id && "is-chosen", `is-${candidate.status}`];
    return h(
      "tr",
      { class: classes.filter(Boolean).join(" "), onclick: (event) => event.target.closest("a, button") || this.#store.choose(candidate.code) },
      this.#name(candidate, place, top),
      h("td", { "data-label": "Morphisms" }, morphismList(candidate)),
      h("td", { class: "num accuracy", "data-label": "Validation accuracy" }, accuracy(candidate, n), this.#balanced(candidate), this.#retry(candidate)),
      h("td", { class: "plot", "aria-hidden": "true" }, scale && candidate.val_accuracy !== null ? plot(interval(candidate.val_accuracy, n), candidate.val_accuracy, scale, band) : ""),
      h("td", { class: "num", "data-label": "Parameters" }, count(candidate.n_parameters)),
      h("td", { class: "num", "data-label": "MACs" }, short(candidate.n_macs)),
      h("td", { class: "num", "data-label": "Seal" }, sealCell(candidate, this.#store.search.config)),
      h("td", { class: "num", "data-label": "Time" }, duration(candidate.seconds)),
    );
  }

  /** Beside the accuracy where classes are of unequal size, or where it decides. */
  #balanced(candidate) {
    const { dataset, config } = this.#store.search;
    const value = candidate.test_balanced ?? candidate.val_balanced;
    if (value == null || !(dataset.is_uneven || config.selection === "balanced")) return "";
    return h("div", { class: "muted" }, `balanced ${percent(value)}`);
  }

  /** For who may change the search: the training alone is tried again. */
  #retry(candidate) {
    const form = byId("retry-one");
    if (!form || !this.#store.canRetry(candidate)) return "";
    return h("button", { class: "btn btn-sm retry", type: "submit", form: form.id, name: "code", value: candidate.code, "aria-label": `Retry ${candidate.code}`, title: "It waits for a worker again." }, icon("again"), "Retry");
  }

  #name(candidate, place, top) {
    const decided = candidate.status === "done" && candidate.val_accuracy !== null;
    const leads = !candidate.winner && candidate.id === top?.id && candidate.kind === "neighbour";
    return h(
      "th",
      { scope: "row" },
      h("span", { class: "rank", "aria-hidden": "true" }, decided ? String(place + 1) : "·"),
      h("a", { href: candidate.url }, candidate.code),
      isParentSlot(candidate) && h("span", { class: "muted" }, " parent"),
      candidate.winner && candidate.kind === "neighbour" && h("span", { class: "won" }, icon("check"), "won"),
      leads && h("span", { class: "leads" }, "leads"),
    );
  }
}

/** Those that are done by what decides (ties: the parent, then the lower j), then those under way, then the rest. */
function ranked(row, measure) {
  const group = (c) => (c.status === "done" ? 0 : c.status === "running" ? 1 : c.status === "pending" ? 2 : 3);
  const value = (c) => (group(c) === 0 ? (measure(c) ?? -1) : 0);
  return [...row].sort((a, b) => group(a) - group(b) || value(b) - value(a) || (group(a) ? 0 : isParentSlot(b) - isParentSlot(a)) || a.index - b.index);
}

function morphismList(candidate) {
  if (candidate.morphisms.length === 0) return h("span", { class: "muted" }, morphismWords(candidate));
  return h("ul", { class: "ops" }, candidate.morphisms.map((m) => h("li", null, icon(m.kind), m.words)));
}

function accuracy(candidate, n) {
  if (candidate.kind === "final") return candidate.test_accuracy === null ? progress(candidate) : [h("strong", null, percent(candidate.test_accuracy)), h("span", { class: "muted" }, " test")];
  if (candidate.val_accuracy === null || candidate.status === "running") return progress(candidate);
  return [h("strong", null, percent(candidate.val_accuracy)), h("span", { class: "muted" }, ` ± ${(100 * plusMinus(candidate.val_accuracy, n)).toFixed(2)}`)];
}

/** What stands in place of a number that is not there yet, or will not be. */
export function progress(candidate) {
  const word = STATUS_WORDS[candidate.status];
  if (candidate.status === "running") return h("span", { class: "state-running" }, `epoch ${Math.min(candidate.epochs, Math.floor(candidate.epoch) + 1)} of ${candidate.epochs}`);
  if (!hasEnded(candidate) || candidate.status === "done") return h("span", { class: "muted" }, word);
  const broken = candidate.seal && !candidate.seal.holds;
  return h("span", { class: "badge badge-bad", title: candidate.reason || null }, broken ? "seal broken" : word);
}

function sealCell(candidate, config) {
  const { seal } = candidate;
  if (!seal) return h("span", { class: "muted" }, unsealed(candidate, config));
  const value = scientific(seal.float32 ?? seal.float64);
  return h("span", { class: `badge ${seal.holds ? "badge-good" : "badge-bad"}` }, icon(seal.holds ? "check" : "cross"), value);
}

/** Why there is no seal: nothing was changed, no network morphism made it, or it has not been measured. */
function unsealed(candidate, config) {
  if (candidate.kind === "pretrain" || candidate.status === "pending") return "–";
  if (candidate.morphisms.length && !config.network_morphism) return "does not apply";
  return candidate.morphisms.length ? "not measured" : "no morphism";
}
