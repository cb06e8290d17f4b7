// What the page knows of one search, and the one reducer that every event goes through.

/** The short name that a person reads is the candidate's code: model_0, 2.1, final. */
const ENDED = new Set(["done", "too_big", "diverged", "failed", "cancelled"]);

export const hasEnded = (candidate) => ENDED.has(candidate.status);
const FAILED = new Set(["too_big", "diverged", "failed"]);
const COMPARISONS = new Set(["snapshot", "scratch", "reference"]);
export const isComparison = (candidate) => COMPARISONS.has(candidate.kind);
/** Trained on training + validation set, and tested once: the final training and the comparisons. */
export const isTested = (candidate) => candidate.kind === "final" || isComparison(candidate);
export const isParentSlot = (candidate) => candidate.kind === "neighbour" && candidate.morphisms.length === 0;

/** Merges one frame into the state; returns what changed: {candidates: Set of ids, points: Map id -> rows, fresh}. */
export function reduce(state, frame) {
  const payload = frame.seq === undefined ? frame : frame.payload;
  const changed = { kind: frame.kind, candidates: new Set(), points: new Map(), search: false, workers: false, line: null };
  if (payload.search) {
    Object.assign(state.search, payload.search);
    changed.search = true;
    if (payload.search.config) nameEarlier(state);
  }
  if (payload.workers) {
    state.search.workers = payload.workers;
    state.workersHeard = performance.now();
    changed.workers = true;
  }
  for (const part of payload.candidates ?? []) mergeCandidate(state, part, changed);
  for (const [id, rows] of Object.entries(payload.points ?? {})) appendPoints(state, Number(id), rows, changed);
  if (frame.seq !== undefined) {
    state.search.seq = frame.seq;
    changed.line = { seq: frame.seq, at: frame.at, kind: frame.kind, level: frame.level, words: frame.words };
    if (frame.words) state.log.push(changed.line);
  }
  return changed;
}

const OF_ALL_STEPS = { final: "final", scratch: "from scratch" };

/** What an extended search has from before is called by its steps, as Candidate.code has it. */
function nameEarlier(state) {
  for (const candidate of state.candidates.values()) {
    const name = OF_ALL_STEPS[candidate.kind];
    if (name && candidate.step !== state.search.config.n_steps) candidate.code = `${name} ${candidate.step}`;
  }
}

/** Of another number of steps than the search has by now, as is_superseded in selectors/progress.py. */
function isSuperseded({ kind, step }, nSteps) {
  if (kind in OF_ALL_STEPS) return step !== nSteps;
  return step > nSteps || (kind === "snapshot" && step === nSteps);
}

function mergeCandidate(state, part, changed) {
  const known = state.candidates.get(part.id);
  if (!known && part.kind === undefined) return; // a part of a candidate that this page does not show
  state.candidates.set(part.id, Object.assign(known ?? {}, part));
  changed.candidates.add(part.id);
}

function appendPoints(state, id, rows, changed) {
  const held = state.points.get(id) ?? [];
  const last = held.length ? held[held.length - 1][0] : -1;
  const fresh = rows.filter((row) => row[0] > last); // a resumed training repeats its points
  if (fresh.length === 0) return;
  held.push(...fresh);
  state.points.set(id, held);
  changed.points.set(id, fresh);
}

/** The state of one search, and who wants to hear of its changes. */
export class Store {
  #listeners = [];
  #chosen = null; // the code that somebody chose; null: the page follows the best
  #index = null; // candidates in order and by row
  #step = null; // the step that somebody put on show; null: the page follows the chosen network

  constructor(snapshot) {
    const { candidates, points, log, ...search } = snapshot;
    this.search = search;
    this.candidates = new Map(candidates.map((candidate) => [candidate.id, candidate]));
    this.points = new Map(Object.entries(points).map(([id, rows]) => [Number(id), rows]));
    this.log = [...log].sort((a, b) => a.seq - b.seq);
    this.workersHeard = performance.now();
    this.connected = null; // null: not yet
  }

  /** Calls back as listener(changed) after every change; `changed` is what reduce() returns, or {choice: true}. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  tell(changed) {
    this.#index = null;
    for (const listener of this.#listeners) listener(changed);
  }

  /** Takes one frame; a frame whose seq is not the next one changes nothing and answers false. */
  apply(frame) {
    if (frame.seq !== undefined && frame.seq !== this.search.seq + 1) return frame.seq <= this.search.seq;
    this.tell(reduce(this, frame));
    return true;
  }

  // ------------------------------------------------------------------ candidates

  /** In order, and by row; sorted once for each change, since every part of the page asks. */
  get #sorted() {
    if (this.#index === null) {
      const all = [...this.candidates.values()].sort((a, b) => order(a) - order(b) || a.step - b.step || a.index - b.index);
      const rows = new Map();
      for (const candidate of all) {
        const row = this.rowOf(candidate);
        if (!rows.has(row)) rows.set(row, []);
        rows.get(row).push(candidate);
      }
      this.#index = { all, rows, openRow: Math.max(0, ...[...rows.keys()].filter((row) => row < this.comparisonRow)) };
    }
    return this.#index;
  }

  get all() {
    return this.#sorted.all;
  }

  byCode(code) {
    return this.all.find((candidate) => candidate.code === code) ?? null;
  }

  parentOf(candidate) {
    return candidate.parent === null ? null : (this.candidates.get(candidate.parent) ?? null);
  }

  /**
   * The trainings of one row: 0 the pretraining, 1..n_steps the steps, then the final one, then the comparisons; last
   * what it has of another number of steps: a final training before it was extended, a step that was cut short.
   */
  row(number) {
    return this.#sorted.rows.get(number) ?? [];
  }

  rowOf(candidate) {
    if (isSuperseded(candidate, this.nSteps)) return this.nSteps + 3;
    if (isComparison(candidate)) return this.comparisonRow;
    return candidate.kind === "final" ? this.nSteps + 1 : candidate.step;
  }

  get comparisonRow() {
    return this.nSteps + 2;
  }

  /** What the search is compared with, in the order in which it was planned. */
  get comparisons() {
    return this.row(this.comparisonRow);
  }

  /** Which of its row a training is, from 1: a neighbour's j; 0 where there is one only. */
  place(candidate) {
    return isComparison(candidate) ? 1 + this.comparisons.indexOf(candidate) : candidate.index;
  }

  get nSteps() {
    return this.search.config.n_steps;
  }

  /** The newest row of Algorithm 1: comparisons, which come after it, do not count. */
  get openRow() {
    return this.#sorted.openRow;
  }

  /** The row that is trained now, or was last of the algorithm. */
  get rowNow() {
    return this.comparisons.some((candidate) => !hasEnded(candidate)) ? this.comparisonRow : this.openRow;
  }

  /** model_best after a row that is decided; after the pretraining there is only model_0. */
  winnerOf(row) {
    return this.row(row).find((c) => c.winner || (c.kind === "pretrain" && c.status === "done")) ?? null;
  }

  /** The winner of the last decided step: what the search stands at by validation accuracy. */
  get best() {
    for (let row = Math.min(this.openRow, this.nSteps); row >= 0; row -= 1) {
      const winner = this.winnerOf(row);
      if (winner) return winner;
    }
    return null;
  }

  /** The final training, once it is planned. */
  get final() {
    return this.row(this.nSteps + 1)[0] ?? null;
  }

  /** Of the model that the search has found, once it was measured. */
  get testAccuracy() {
    return this.final?.status === "done" ? this.final.test_accuracy : null;
  }

  /** What a step is decided by: validation accuracy, or its mean over the classes. */
  measure(candidate) {
    return this.search.config.selection === "balanced" ? candidate.val_balanced : candidate.val_accuracy;
  }

  /** Whether one is chosen before the other; a tie keeps the parent, else the lower j. */
  #isBefore(c, top) {
    const [mine, other] = [this.measure(c), this.measure(top)];
    return mine === other ? isParentSlot(c) && !isParentSlot(top) : mine > other;
  }

  /** Who leads a row that is still open: the highest by the measure so far, or null. */
  leaderOf(row) {
    if (this.winnerOf(row)) return null;
    const ended = this.row(row).filter((c) => c.status === "done" && this.measure(c) !== null);
    return ended.reduce((top, c) => (top === null || this.#isBefore(c, top) ? c : top), null);
  }

  /** Whether a training that failed or was stopped can be tried again: what is decided stays. */
  canRetry(candidate) {
    const row = this.rowOf(candidate);
    if (isComparison(candidate) && candidate.status === "cancelled") return true; // by a stop, after the search was over
    return FAILED.has(candidate.status) && (row === this.comparisonRow || row === this.openRow) && !this.winnerOf(row);
  }

  get running() {
    return this.all.filter((candidate) => candidate.status === "running");
  }

  // ------------------------------------------------------------------ the one chosen network

  /** The network that tree, curves, drawing and seal speak about. */
  get chosen() {
    const picked = this.#chosen === null ? null : this.byCode(this.#chosen);
    const final = this.final?.status === "done" ? this.final : null;
    return picked ?? final ?? this.best ?? this.all[0] ?? null;
  }

  get isPicked() {
    return this.#chosen !== null && this.byCode(this.#chosen) !== null;
  }

  /** The row that somebody put on show, or one of whose networks they chose; null: nobody did. */
  get stepAsked() {
    if (this.#step !== null && this.row(this.#step).length) return this.#step;
    return this.isPicked ? this.rowOf(this.chosen) : null;
  }

  /** The row on show in the curves; once all is over what the last step was decided by, not the loss of the final training. */
  get step() {
    return this.stepAsked ?? (this.search.status === "finished" ? this.lastDecided : null) ?? this.rowNow;
  }

  /** The last step that is decided, from 1; null before that. */
  get lastDecided() {
    for (let row = Math.min(this.openRow, this.nSteps); row > 0; row -= 1) if (this.winnerOf(row)) return row;
    return null;
  }

  choose(code) {
    this.#chosen = code;
    this.#step = null;
    this.tell({ kind: "choice", choice: true, candidates: new Set(), points: new Map() });
  }

  showStep(row) {
    this.#step = row;
    this.tell({ kind: "choice", choice: true, candidates: new Set(), points: new Map() });
  }
}

const KIND_ORDER = ["pretrain", "neighbour", "final", "snapshot", "scratch", "reference"]; // as selectors/snapshot.py
const order = (candidate) => KIND_ORDER.indexOf(candidate.kind);
