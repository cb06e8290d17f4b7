// The state of a search in words: a strong beginning and the rest of the sentence.

import { about, count, duration, percent, plural } from "./format.js";
import { LIMIT } from "./heartbeat.js";
import { hasEnded, isParentSlot } from "./state.js";

/** {tone, strong, rest}: tone is the state's class, "stalled" among them. `silence`: seconds without a worker. */
export function stateWords(store, silence) {
  const { status, reason, deleted } = store.search;
  if (deleted) return { tone: "stopped", strong: "Deleted.", rest: "Nothing of it is trained. Undo brings it back as it was, until its files are swept." };
  const stalled = status === "running" && silence !== null && silence >= 30;
  if (stalled) return stalledWords(silence);
  if (isRefused(store)) return { tone: "stalled", strong: "Every worker refuses it.", rest: store.search.refused };
  if (status === "running") return { tone: "running", ...runningWords(store) };
  if (status === "finished") return finishedWords(store);
  const words = { waiting: waitingWords, paused: pausedWords, stopped: stoppedWords, failed: failedWords }[status];
  return { tone: status, ...words(store, reason) };
}

/** Whether it stands still although workers answer: the server says each second why all of them refuse it. */
export const isRefused = (store) => Boolean(store.search.refused) && ["waiting", "running"].includes(store.search.status);

/** A reason as a sentence: "paused by ada" -> "Paused by ada." */
function sentence(text) {
  const capital = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(text) || text === "" ? capital : `${capital}.`;
}

function waitingWords(store) {
  const alive = store.search.workers.filter((worker) => worker.seconds_since_beat < LIMIT).length;
  const rest = alive
    ? `It starts by itself when ${alive === 1 ? "the worker" : `one of ${count(alive)} workers`} is free.`
    : "No worker answers. The command manage.py up starts the workers of this machine.";
  return { strong: "Waiting for a worker.", rest };
}

function stalledWords(silence) {
  const strong = silence === Infinity ? "No worker answers." : `No worker for ${duration(silence)}.`;
  return { tone: "stalled", strong, rest: "Nothing is lost: the training goes on from its last checkpoint when a worker answers." };
}

function runningWords(store) {
  const row = store.rowNow;
  const running = store.row(row).filter((candidate) => candidate.status === "running");
  if (row === store.comparisonRow) return { strong: "Comparing.", rest: comparisonWords(store, running) };
  if (row === 0) return { strong: "Pretraining.", rest: trains("model_0", running) };
  if (row > store.nSteps) return { strong: "Final training.", rest: trains("The winner", running, " on training + validation set") };
  return { strong: `Step ${row} of ${store.nSteps}.`, rest: stepWords(store.row(row), running) };
}

function comparisonWords(store, running) {
  const waiting = store.comparisons.filter((c) => c.status === "pending").length;
  const left = store.search.seconds_left;
  const parts = running.length ? [`${running.map((c) => `${c.code}, ${epochWords(c)}`).join("; ")}`] : [];
  if (waiting) parts.push(`${waiting} ${waiting === 1 ? "waits" : "wait"}`);
  if (left !== null) parts.push(`${about(left)} left`);
  return `${parts.join("; ")}. The model is ready to download.`;
}

const epochWords = (c) => `epoch ${count(Math.min(c.epochs, Math.floor(c.epoch) + 1))} of ${count(c.epochs)}`;

function trains(who, running, where = "") {
  return running.length ? `${who} trains${where}, ${epochWords(running[0])}.` : `${who} waits for a worker.`;
}

function stepWords(row, running) {
  const ended = row.filter(hasEnded).length;
  const done = `${ended} of ${plural(row.length, "candidate")} ended`;
  if (running.length === 0) return ended ? `${done}; the next waits for a worker.` : `${plural(row.length, "candidate")} ${row.length === 1 ? "waits" : "wait"} for a worker.`;
  const waiting = row.filter((c) => c.status === "pending");
  const next = waiting.length === 1 && isParentSlot(waiting[0]) ? "; then the parent" : ended ? `; ${done}` : "";
  if (running.length > 1) return `${list(running.map(name))} train${next}.`;
  return `${name(running[0])[0].toUpperCase()}${name(running[0]).slice(1)} trains, ${epochWords(running[0])}${next}.`;
}

const name = (candidate) => (isParentSlot(candidate) ? `the parent, ${candidate.code},` : `child ${candidate.code}`);

function list(names) {
  if (names.every((each) => each.startsWith("child "))) {
    const codes = names.map((each) => each.slice(6));
    return `Children ${codes.slice(0, -1).join(", ")} and ${codes.at(-1)}`;
  }
  const text = `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`.replace(/,$/, "");
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}

function pausedWords(store, reason) {
  return { strong: reason ? sentence(reason) : "Paused.", rest: "Nothing is lost; it goes on from the last checkpoints." };
}

function stoppedWords(store, reason) {
  const best = store.candidates.get(store.search.download_of) ?? store.best;
  const rest = best && best.val_accuracy !== null ? `The best so far, ${best.code} with ${percent(best.val_accuracy)}, is kept.` : "What was trained is kept.";
  return { strong: reason ? sentence(reason) : "Stopped.", rest };
}

function failedWords(store, reason) {
  return { strong: "Failed.", rest: `${sentence(reason)} What was trained before is safe. ${nextStep(store)}`.trim() };
}

/** What helps against how the trainings of the open row ended. */
function nextStep(store) {
  const ends = new Set(store.row(store.openRow).map((candidate) => candidate.status));
  if (ends.has("diverged")) return "A new search with a lower lambda_start often helps.";
  if (ends.has("too_big")) return "A new search with smaller bounds or batches needs less memory.";
  return "Retry trains once more what failed.";
}

function finishedWords(store) {
  const { final, testAccuracy: accuracy } = store;
  const seconds = store.search.seconds_to_final;
  const strong = accuracy === null ? "Finished." : `Finished: ${percent(1 - accuracy)} test error.`;
  const size = final ? `${count(final.n_parameters)} parameters, ` : "";
  return { tone: "finished", strong, rest: `${size}${duration(seconds)}. The model is ready to download.` };
}

/** What one candidate is called in a heading: "child 2.1", "the parent, trained again", "model_0". */
export function candidateWords(candidate) {
  if (isParentSlot(candidate)) return `${candidate.code}, the parent trained again`;
  return candidate.code;
}

export const STATUS_WORDS = {
  pending: "waits",
  running: "trains",
  done: "done",
  too_big: "too big",
  diverged: "diverged",
  failed: "failed",
  cancelled: "cancelled",
};

/** "1 morphism", or what stands in its place. */
export const morphismWords = (candidate) => {
  if (candidate.kind === "pretrain") return "the first network, trained from scratch";
  if (candidate.kind === "final") return "the winner, on training + validation set";
  if (candidate.kind === "snapshot") return `the winner of step ${candidate.step}, trained on as if it were the last`;
  if (candidate.kind === "scratch") return "the final network, with fresh weights";
  if (candidate.kind === "reference") return "a reference network, with fresh weights";
  return "no morphism, trained again";
};
