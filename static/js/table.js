// Why this one won: the candidates of a step by rank, each with its interval and its gap to the winner.

import { byId, h, icon, oncePerFrame, replaceKeepingFocus, segmented, setChildren, setRows, setText } from "./dom.js";
import { offerData } from "./data.js";
import { count, duration, interval, percent, plusMinus, short } from "./format.js";
import { axisOf, plot, scaleOf } from "./interval-plot.js";
import { hasEnded, isParentSlot } from "./state.js";
import { gapCell, isNoise, ruleWords, whyWords } from "./why.js";
import { STATUS_WORDS, morphismWords } from "./words.js";

const [MOST, FIRST] = [20, 12]; // a longer step shows so many at first

export class Table {
  #store;
  #all = null; // the step that somebody wanted to see whole
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    offerData("children", () => this.#data());
    chooseByRow(byId("children-body"), store);
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
    setChildren(byId("children-axis"), axisOf(scale));
    const shown = this.#all === step || rows.length <= MOST ? rows : rows.slice(0, FIRST);
    setRows(byId("children-body"), shown.map((candidate, i) => this.#row(candidate, i, n, scale, band, top)));
    this.#more(rows.length - shown.length);
    setChildren(byId("children-why"), whyWords(store, step, measured));
    byId("children-why").hidden = byId("children-why").childElementCount === 0;
    byId("children-axis").hidden = scale === null;
  }

  /** The row that somebody asked for, else the last step that is decided: an open step has no winner yet. */
  get #step() {
    const { stepAsked, lastDecided, rowNow, nSteps } = this.#store;
    return Math.min(stepAsked ?? lastDecided ?? rowNow, nSteps + 1); // comparisons have a table of their own
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
    const { nSteps, openRow, search } = this.#store;
    const step = this.#step;
    const winner = this.#store.winnerOf(step);
    const title = step === 0 ? "Pretraining" : step > nSteps ? "Final training" : winner ? "Why this one won" : `Candidates of step ${step}`;
    setText(byId("children-h"), title);
    setText(byId("children-sub"), this.#sub(rows));
    setText(byId("children-caption"), `${title}, step ${step}, by ${this.#store.search.config.selection === "balanced" ? "balanced" : "validation"} accuracy`);
    const open = (row) => (openRow < 8 && row > 0 && row <= nSteps && search.status !== "stopped" && !this.#store.winnerOf(row) ? ", open" : "");
    const name = (row) => (row === 0 ? "Pre" : row > nSteps ? "Final" : `${openRow < 8 ? "Step " : ""}${row}${open(row)}`);
    const rowsThere = Array.from({ length: openRow + 1 }, (_, row) => [row, name(row)]);
    const choose = (row) => this.#store.showStep(row);
    const tools = openRow < 12 ? segmented("Step", rowsThere, step, choose) : chooser("Step", rowsThere, step, choose);
    replaceKeepingFocus(byId("children-tools"), rowsThere.length > 1 ? tools : "");
  }

  #sub(rows) {
    const { nSteps } = this.#store;
    const step = this.#step;
    if (step > nSteps) return "The winner on training + validation set; its test accuracy is looked at once, at the end.";
    if (step === 0) return "model_0, trained from scratch. Every later network descends from it.";
    const winner = this.#store.winnerOf(step);
    if (winner) return `Step ${step}: ${winner.code} has the ${ruleWords(this.#store)} of its ${rows.length} candidates.`;
    const isMeasured = rows.some((c) => c.status === "done" && c.val_accuracy !== null);
    if (rows.every(hasEnded) && !isMeasured) return "None of them came to a validation accuracy; each says why.";
    if (this.#store.search.status === "stopped") return "Stopped before it was decided.";
    const open = rows.filter((c) => c.status === "pending" || c.status === "running").length;
    return `Open: decided when ${open === 1 ? "the last candidate has" : `${open} more have`} ended. Then the ${ruleWords(this.#store)} wins.`;
  }

  #row(candidate, place, n, scale, band, top) {
    const classes = [candidate.winner && "is-winner", candidate.id === this.#store.chosen?.id && "is-chosen", `is-${candidate.status}`];
    return h(
      "tr",
      { class: classes.filter(Boolean).join(" "), "data-id": candidate.id },
      this.#name(candidate, place, top),
      h("td", { "data-label": "Morphisms" }, morphismList(candidate)),
      h("td", { class: "num accuracy", "data-label": "Validation accuracy" }, accuracy(candidate, n), this.#balanced(candidate), this.#retry(candidate)),
      h("td", { class: "plot", "aria-hidden": "true" }, scale && candidate.val_accuracy !== null ? plot(interval(candidate.val_accuracy, n), candidate.val_accuracy, scale, band) : ""),
      h("td", { class: "num", "data-label": "Gap, points" }, gapCell(candidate, top)),
      h("td", { class: "num", "data-label": "Parameters" }, count(candidate.n_parameters)),
      h("td", { class: "num", "data-label": "MACs" }, short(candidate.n_macs)),
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

  /** The table's numbers, for its file. */
  #data() {
    const step = this.#step;
    const n = this.#store.search.dataset.n_validation;
    const top = this.#store.winnerOf(step) ?? this.#store.leaderOf(step);
    const rows = ranked(this.#store.row(step), (c) => this.#store.measure(c)).map((c, i) => {
      const accuracy = c.val_accuracy;
      const [low, high] = accuracy === null ? [null, null] : interval(accuracy, n);
      const gap = top && c.gap?.to === top.id && c.id !== top.id ? c.gap : null;
      const verdict = gap && (isNoise(gap) ? "within noise" : "clear");
      return [
        c.status === "done" && accuracy !== null ? i + 1 : null, c.code, c.morphisms.map((m) => m.words).join("; "), c.status, accuracy, low, high,
        gap && accuracy - top.val_accuracy, gap && gap.low, gap && gap.high, gap && gap.ahead, gap && gap.behind, gap && gap.p, verdict,
        c.n_parameters, c.n_macs, c.seconds,
      ];
    });
    const of = top?.code ?? "the best";
    const columns = [
      "rank", "candidate", "morphisms", "status", "validation accuracy", "95 % low", "95 % high", `gap to ${of}`, "gap low", "gap high",
      "images only it has right", `images only ${of} has right`, "McNemar p", "verdict", "parameters", "MACs", "seconds",
    ];
    return { title: `Candidates of ${step === 0 ? "the pretraining" : step > this.#store.nSteps ? "the final training" : `step ${step}`}`, columns, rows };
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
      decided ? h("span", { class: "rank" }, h("span", { class: "visually-hidden" }, "Rank "), place + 1) : h("span", { class: "rank", "aria-hidden": "true" }, "·"),
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

/** A click anywhere in a row chooses its network, but for links and buttons that do something else. */
export function chooseByRow(body, store) {
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("a, button:not([data-choose])")) store.choose(store.candidates.get(Number(row.dataset.id)).code);
  });
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

/** One of very many, as a list to choose from. */
function chooser(label, options, chosen, choose) {
  const select = h("select", { class: "input", "aria-label": label, onchange: () => choose(Number(select.value)) }, options.map(([value, words]) => h("option", { value, selected: value === chosen }, words)));
  return select;
}
