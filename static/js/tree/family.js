// A search read as a family: a row for each step, who won, who leads, what is to come. As searches/diagrams/family.py;
// a test in Chromium holds this drawing against the server's.

import { count, duration, percent } from "../format.js";

const FAILED = new Set(["too_big", "diverged", "failed", "cancelled"]);
const ENDED = new Set(["finished", "failed", "stopped"]);
const MOST_GHOSTS = 8;
export const RAMP_STEPS = 7;

const counted = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** The rows of a state {config, status, candidates}, from the pretraining down to the final training. */
export function generations(state) {
  const { config } = state;
  const candidates = state.candidates.filter((c) => c.kind === "pretrain" || c.kind === "neighbour" || c.kind === "final");
  const ramp = rampOf(candidates);
  const ended = ENDED.has(state.status);
  const byRow = grouped(candidates);
  const row = (kind, step, closed) => rowOf(kind, step, byRow.get(`${kind} ${step}`) ?? [], config, ramp, closed);
  const first = row("pretrain", 0, ended);
  const steps = Array.from({ length: config.n_steps }, (_, i) => row("neighbour", i + 1, ended));
  const nKnown = steps.filter((r) => r.members.length).length;
  const known = steps.slice(0, nKnown).flatMap((r, i) => {
    const earlier = row("final", i + 1, true);
    return earlier.members.length && i + 1 < config.n_steps ? [r, { ...earlier, label: `Final, ${counted(i + 1, "step")}` }] : [r];
  });
  const final = row("final", config.n_steps, ended);
  if (ended) return [first, ...known, ...(final.members.length ? [final] : [])];
  return [first, ...known, ...shortened(steps.slice(nKnown), nKnown), final];
}

function grouped(candidates) {
  const groups = new Map();
  for (const c of candidates) {
    const key = `${c.kind} ${c.step}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(c);
  }
  return groups;
}

function shortened(toCome, nKnown) {
  if (nKnown + toCome.length <= MOST_GHOSTS || toCome.length < 3) return toCome;
  const [first, last] = [toCome[1].short[1], toCome.at(-1).short[1]];
  const rest = { kind: "rest", label: `Steps ${first} to ${last}`, note: "to come", short: ["step", `${first}–${last}`], members: [], steps: toCome.length - 1 };
  return [toCome[0], rest];
}

// ------------------------------------------------------------------ the accuracy ramp

/** Whole per cents around the validation accuracies of the rows that are decided; before there is one, around all. */
export function rampOf(candidates) {
  const done = candidates.filter((c) => c.status === "done" && c.val_accuracy !== null);
  const decided = new Set(done.filter((c) => c.winner).map((c) => c.step));
  const isDecided = decided.size > (decided.has(0) ? 1 : 0);
  return wholePerCents((isDecided ? done.filter((c) => c.kind === "pretrain" || decided.has(c.step)) : done).map((c) => c.val_accuracy));
}

/** Whole per cents around every accuracy of the steps, open ones too. */
export function spanOf(rows) {
  return wholePerCents(rows.filter((row) => row.kind === "neighbour").flatMap((row) => row.members.map((m) => m.accuracy).filter((a) => a !== null)));
}

function wholePerCents(values) {
  if (values.length === 0) return { low: 0, high: 1 };
  const [least, most] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const low = Math.min(99, Math.floor(100 * least + 1e-9)); // the high end is never above 100
  return { low: low / 100, high: Math.max(Math.ceil(100 * most - 1e-9), low + 1) / 100 };
}

function rampStep({ low, high }, accuracy) {
  return 1 + Math.max(0, Math.min(RAMP_STEPS - 1, Math.floor((RAMP_STEPS * (accuracy - low)) / (high - low))));
}

// ------------------------------------------------------------------ a row and its members

function rowOf(kind, step, mine, config, ramp, ended) {
  const sorted = [...mine].sort((a, b) => a.index - b.index);
  const members = withHeir(sorted.map((c) => memberOf(c, config, ramp)), sorted.some((c) => c.winner));
  const named = { pretrain: ["Pretraining", ["Pre", ""]], final: ["Final training", ["Final", ""]] }[kind];
  const [label, short] = named ?? [`Step ${step}`, ["step", String(step)]];
  const busy = members.some((m) => m.state === "running" || m.state === "pending");
  const seconds = mine.reduce((sum, c) => sum + (c.seconds ?? 0), 0);
  return { kind, label, short, note: noteOf(kind, members, config, seconds), members, isOpen: busy && !ended, steps: 1 };
}

/** Marks the leader of a row that is not decided: the best so far, ties to the parent, then the lower j. */
function withHeir(members, decided) {
  const done = members.filter((m) => m.state === "done" && m.accuracy !== null);
  if (decided || done.length === 0 || members[0].kind === "final") return members;
  if (members[0].kind === "pretrain") return members.map((m) => ({ ...m, wins: true }));
  const best = done.reduce((top, m) => ((m.measure ?? 0) - (top.measure ?? 0) || m.isParent - top.isParent || top.index - m.index) > 0 ? m : top);
  return members.map((m) => ({ ...m, leads: m === best }));
}

function memberOf(c, config, ramp) {
  const accuracy = c.kind === "final" ? c.test_accuracy : c.val_accuracy;
  const isParent = c.kind === "neighbour" && c.morphisms.length === 0 && c.index === config.n_neigh && config.n_neigh > 1;
  const state = FAILED.has(c.status) ? "failed" : c.status;
  return {
    id: c.id, kind: c.kind, code: c.code, step: c.step, index: c.index, parent: c.parent, url: c.url, state, word: wordOf(c),
    epoch: c.epoch ?? 0, epochs: c.epochs, accuracy: state === "done" ? accuracy : null, nParameters: c.n_parameters,
    morphisms: c.morphisms.map((m) => m.kind), told: toldOf(c, isParent), place: Math.max(0, c.index - 1), isParent,
    wins: Boolean(c.winner), leads: false, ramp: c.kind !== "final" && accuracy !== null ? rampStep(ramp, accuracy) : 1,
    measure: config.selection === "balanced" ? (c.val_balanced ?? null) : accuracy,
    epochNow: Math.max(1, Math.min(c.epochs, Math.floor(c.epoch ?? 0) + 1)),
  };
}

function wordOf(c) {
  if (c.status === "failed" && c.seal && !(c.seal.holds ?? true)) return "seal broken";
  return { pending: "waits", too_big: "too big", diverged: "diverged", failed: "failed", cancelled: "stopped" }[c.status] ?? "";
}

function toldOf(c, isParent) {
  const said = [c.code];
  if (c.status === "done" && c.kind === "final" && c.test_accuracy !== null) said.push(`${percent(c.test_accuracy)} test accuracy`);
  else if (c.status === "done" && c.val_accuracy !== null) said.push(`${percent(c.val_accuracy)} validation accuracy`);
  else said.push(c.status === "running" ? "training" : wordOf(c) || c.status);
  said.push(`${count(c.n_parameters)} parameters`);
  if (c.winner && c.kind === "neighbour") said.push("winner of its step");
  if (isParent) said.push("the parent's own slot");
  const words = c.morphisms.map((m) => m.words || m.kind).join("; ");
  return said.join(", ") + (words ? `. ${words}` : "");
}

function noteOf(kind, members, config, seconds) {
  if (members.some((m) => m.state === "running")) return "training";
  if (members.some((m) => m.state === "pending")) return "waits";
  if (members.length) return seconds >= 1 ? duration(seconds) : "";
  return kind === "final" ? counted(config.epoch_final, "epoch") : "to come";
}
