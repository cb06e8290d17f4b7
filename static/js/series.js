// How a series looks: the number belongs to the child's place j, so that child 2 looks alike in every step.
// Never colour alone: series n also has a dash and a marker.

import { s } from "./dom.js";

export const SERIES = [
  { token: "s1", dash: "solid", symbol: "circle" },
  { token: "s2", dash: "7px,3px", symbol: "square" },
  { token: "s3", dash: "2px,3px", symbol: "triangle-up" },
  { token: "s4", dash: "9px,3px,2px,3px", symbol: "diamond" },
  { token: "s5", dash: "12px,4px", symbol: "x" },
  { token: "s6", dash: "4px,4px", symbol: "triangle-down" },
  { token: "s7", dash: "9px,3px,2px,3px,2px,3px", symbol: "hexagon" },
  { token: "s8", dash: "1px,3px", symbol: "cross" },
];

const MARKS = [
  ["circle", { cx: 17, cy: 6, r: 3.4 }],
  ["rect", { x: 13.9, y: 2.9, width: 6.2, height: 6.2 }],
  ["path", { d: "M17 1.8l4 7h-8z" }],
  ["path", { d: "M17 1.6l4.2 4.4-4.2 4.4-4.2-4.4z" }],
  ["path", { d: "M13.8 4.4l1.6-1.6 1.6 1.6 1.6-1.6 1.6 1.6-1.6 1.6 1.6 1.6-1.6 1.6-1.6-1.6-1.6 1.6-1.6-1.6 1.6-1.6z" }],
  ["path", { d: "M17 10.2l4-7h-8z" }],
  ["path", { d: "M17 2l3.5 2v4L17 10l-3.5-2V4z" }],
  ["path", { d: "M15.9 2.4h2.2v2.5h2.5v2.2h-2.5v2.5h-2.2V7.1h-2.5V4.9h2.5z" }],
];

/** 1 to 8 for a candidate by its place in the row; beyond 7 places the quiet grey, unless it is chosen or has won. */
export function seriesNumber(candidate, place, chosen) {
  if (place <= 7) return Math.max(1, place);
  return candidate.winner || candidate.id === chosen?.id ? 1 : 8;
}

/** The sample of a series' line that stands in its key. */
export function sample(number) {
  const [tag, attributes] = MARKS[number - 1];
  return s(
    "svg",
    { class: "sample", viewBox: "0 0 34 12", width: 34, height: 12, "aria-hidden": "true" },
    s("path", { class: `series s${number}`, d: "M1 6H33" }),
    s(tag, { class: `marks s${number}`, ...attributes }),
  );
}

export const parentSample = () =>
  s("svg", { class: "sample", viewBox: "0 0 34 12", width: 34, height: 12, "aria-hidden": "true" }, s("path", { class: "parent-line", d: "M1 6H33" }));

export const rateSample = () =>
  s(
    "svg",
    { class: "sample", viewBox: "0 0 34 12", width: 34, height: 12, "aria-hidden": "true" },
    s("path", { class: "lr-area", d: "M1 11V2Q17 3 33 11Z" }),
    s("path", { class: "lr-line", d: "M1 2Q17 3 33 11" }),
  );

/** The learning rate of one cosine cycle at `share` (0..1) of its optimiser steps. */
export const rateAt = (share, { lambda_start: start, lambda_end: end }) => end + ((start - end) / 2) * (1 + Math.cos(Math.PI * share));

/** The rate of a neighbour's training where it is no cosine (neighbour_rate), else null. */
export const constantRate = (kind, config) => (kind === "neighbour" ? config.neighbour_rate : null);

/** Seconds of training at a point; where they were not recorded, by its share of the epochs. null: not known. */
export function secondsAt(candidate, row) {
  if (row[5] != null) return row[5];
  return candidate.seconds === null || candidate.epoch === 0 ? null : (candidate.seconds * row[1]) / candidate.epoch;
}

/** Seconds that the whole training takes: as measured, or at the speed so far; null before its first point. */
export function secondsOf(store, candidate) {
  const last = store.points.get(candidate.id)?.at(-1);
  const at = last ? secondsAt(candidate, last) : null;
  return at === null || last[1] === 0 ? null : (at * candidate.epochs) / last[1];
}

/** Units of a time axis: seconds, and the name that stands below it. */
export const UNITS = [[3600, "hours"], [60, "minutes"], [1, "seconds"]];

/** Every point of these candidates as the page has it: {columns, rows}. */
export function pointTable(store, candidates) {
  const rows = candidates.flatMap((candidate) =>
    (store.points.get(candidate.id) ?? []).map((point) => {
      const [step, epoch, loss, rate, accuracy] = point;
      return [candidate.code, step, epoch, secondsAt(candidate, point), loss, rate, accuracy];
    }),
  );
  return { columns: ["candidate", "optimiser step", "epoch", "seconds", "loss", "learning rate", "validation accuracy"], rows };
}

/** Points of a candidate as the chart draws them: {x: epochs, or seconds over `unit`; y: per cent or loss}. */
export function curve(store, candidate, quantity, unit = null) {
  const rows = store.points.get(candidate.id) ?? [];
  const x = (row) => (unit === null ? row[1] : (secondsAt(candidate, row) ?? 0) / unit);
  if (quantity === "loss") return split(rows.filter((row) => row[2] !== null).map((row) => [x(row), row[2]]));
  const drawn = rows.filter((row) => row[4] !== null).map((row) => [x(row), 100 * row[4]]);
  const parent = store.parentOf(candidate);
  const began = rows.length > 0 || candidate.status === "running";
  const inherits = began && candidate.kind === "neighbour" && store.search.config.network_morphism && parent?.val_accuracy != null;
  if (inherits && drawn[0]?.[0] !== 0) drawn.unshift([0, 100 * parent.val_accuracy]); // Eq. (1): a child begins as its parent
  return split(drawn);
}

const split = (pairs) => ({ x: pairs.map((pair) => pair[0]), y: pairs.map((pair) => pair[1]) });
