// The page of one candidate: its state, its curve beside those of its step, its network against its parent, its record.

import { byId, h, icon, oncePerFrame, setChildren, setText } from "./dom.js";
import { announce } from "./announce.js";
import { Curves } from "./curves.js";
import { Network } from "./drawing.js";
import { count, duration, percent, plusMinus, scientific, short } from "./format.js";
import { Notes } from "./notes.js";
import { tellOffline } from "./offline.js";
import { goLive, openStore } from "./page.js";
import { isComparison, isParentSlot, isTested } from "./state.js";
import { isRefused } from "./words.js";

const store = openStore();
store.choose(byId("search").dataset.candidate);
const show = oncePerFrame(draw);
let lostAt = null;

function draw() {
  const candidate = store.chosen;
  state(candidate);
  figures(candidate);
  record(candidate);
  tellOffline(lostAt, "The training goes on; this page catches up by itself.");
}

function state(candidate) {
  const epoch = Math.min(candidate.epochs, Math.floor(candidate.epoch) + 1);
  const words = {
    pending: isRefused(store) ? ["Every worker refuses it.", store.search.refused] : ["Waits.", "It is trained when a worker is free."],
    running: ["Trains.", `Epoch ${count(epoch)} of ${count(candidate.epochs)}${candidate.worker ? `, by ${candidate.worker}` : ""}.`],
    done: [candidate.winner ? "Done, and won its step." : "Done.", ended(candidate)],
    too_big: ["Too big for the device.", candidate.reason],
    diverged: ["Diverged.", candidate.reason],
    failed: ["Failed.", candidate.reason],
    cancelled: ["Cancelled.", candidate.reason],
  }[candidate.status];
  const tone = { running: "running", done: "finished", pending: "waiting" }[candidate.status] ?? "failed";
  const element = byId("candidate-state");
  element.className = `state-words state-${tone}`;
  setText(element.querySelector("strong"), words[0]);
  setText(element.querySelector("[data-rest]"), words[1]);
  setText(byId("candidate-what"), what(candidate));
  const share = shareOf(candidate);
  byId("candidate-bar").setAttribute("aria-valuenow", Math.floor(share * candidate.epochs));
  byId("candidate-bar").querySelector(".cell-fill").style.transform = `scaleX(${Math.min(1, share).toFixed(3)})`;
}

const shareOf = (candidate) => (candidate.status === "done" ? 1 : candidate.epoch / candidate.epochs);

function title(candidate) {
  document.title = `${candidate.status === "running" ? `${Math.floor(100 * shareOf(candidate))}\u202f% · ` : ""}${candidate.code} · ${store.search.name}`;
}

const ended = (candidate) => {
  if (candidate.test_accuracy !== null) return `${percent(1 - candidate.test_accuracy)} test error, ${duration(candidate.seconds)}.`;
  return `${percent(candidate.val_accuracy)} validation accuracy, ${duration(candidate.seconds)}.`;
};

function what(candidate) {
  if (candidate.kind === "pretrain") return "pretraining";
  if (candidate.kind === "final") return "final training, on training + validation set";
  if (isComparison(candidate)) return "comparison, on training + validation set";
  return isParentSlot(candidate) ? `step ${candidate.step}, the parent trained again` : `step ${candidate.step}, child ${candidate.index}`;
}

function figures(candidate) {
  const parent = store.parentOf(candidate);
  const n = store.search.dataset.n_validation;
  const known = candidate.val_accuracy !== null;
  const final = isTested(candidate);
  const gap = known && parent?.val_accuracy != null ? candidate.val_accuracy - parent.val_accuracy : null;
  const value = final ? candidate.test_accuracy : candidate.val_accuracy;
  const accuracy = value === null ? "–" : [percent(value), h("span", { class: "pm" }, ` ± ${(100 * plusMinus(value, final ? store.search.dataset.n_test : n)).toFixed(2)}`)];
  const balanced = final ? candidate.test_balanced : candidate.val_balanced;
  const against = gap === null ? "" : `${gap < 0 ? "−" : "+"}${(100 * Math.abs(gap)).toFixed(2)} points to its parent ${parent.code}`;
  setChildren(
    byId("candidate-figures"),
    figure(final ? "Test accuracy" : "Validation accuracy", accuracy, against),
    balanced != null && (store.search.dataset.is_uneven || store.search.config.selection === "balanced") && figure("Balanced accuracy", percent(balanced), "mean over the classes"),
    figure("Parameters", count(candidate.n_parameters), parent ? `${count(parent.n_parameters)} before` : ""),
    figure("MACs an image", short(candidate.n_macs), parent ? `${short(parent.n_macs)} before` : ""),
    figure("Training time", duration(candidate.seconds), candidate.attempt > 1 ? `attempt ${candidate.attempt}` : ""),
    figure("Images/s", candidate.images_per_second === null ? "–" : count(candidate.images_per_second), candidate.flops_per_second === null ? "" : `${short(candidate.flops_per_second)}FLOP/s`),
  );
}

const figure = (label, value, hint) => h("div", null, h("dt", null, label), h("dd", { class: "big" }, value), h("dd", { class: "hint" }, hint));

function record(candidate) {
  const { seal } = candidate;
  const pairs = [
    ...sealPairs(candidate, seal),
    ["Images/s", candidate.images_per_second === null ? "–" : count(candidate.images_per_second)],
    ["FLOP/s achieved", candidate.flops_per_second === null ? "–" : `${short(candidate.flops_per_second)}FLOP/s`],
    ["Peak memory", candidate.peak_memory_bytes === null ? "–" : `${count(candidate.peak_memory_bytes / 1e6)}\u202fMB`],
    ["Threads", candidate.threads ?? "–"],
    ["Numeric path", h("code", null, candidate.numeric_path || "–")],
    ["Worker", candidate.worker || "–"],
    ["Attempts", count(candidate.attempt)],
    ["Digest", h("code", null, candidate.digest)],
  ];
  setChildren(byId("record-pairs"), pairs.map(([term, value]) => h("div", null, h("dt", null, term), h("dd", { class: "num" }, value))));
}

/** Only a child has a seal, and only where network morphisms made it. */
function sealPairs(candidate, seal) {
  if (candidate.kind !== "neighbour") return [];
  if (!store.search.config.network_morphism) return [["Seal", "does not apply (no network morphism)"]];
  return [
    ["Seal, float32", sealValue(seal, seal?.float32, seal?.tolerance32, seal?.n_images32)],
    ["Seal, float64", sealValue(seal, seal?.float64, seal?.tolerance64, seal?.n_images64)],
  ];
}

function sealValue(seal, value, limit, images) {
  if (!seal || value === null || value === undefined) return "not measured";
  const holds = value <= limit;
  const verdict = h("span", { class: `badge ${holds ? "badge-good" : "badge-bad"}` }, icon(holds ? "check" : "cross"), holds ? "holds" : "broken");
  return [scientific(value), h("span", { class: "muted" }, ` limit ${scientific(limit)}, ${count(images)} images `), verdict];
}

draw();
title(store.chosen);
new Network(store);
new Curves(store, { alone: true });
new Notes(store);
store.listen(() => title(store.chosen)); // at once: a tab in the background has no animation frames
store.listen(show);
setInterval(show, 1000);
announce(store);
goLive(store, (connected) => {
  lostAt = connected ? null : (lostAt ?? performance.now());
  show();
});
