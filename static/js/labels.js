// Words inside the chart of learning curves: captions, labels at the ends of the curves, "now" at the open ones.

import { caption } from "./figure.js";
import { about, percent } from "./format.js";
import { SERIES } from "./series.js";
import { hasEnded, isComparison } from "./state.js";

const GAP = 17; // px between two labels at the ends
export const MARGIN = { wide: { l: 44, r: 164, t: 34, b: 42 }, narrow: { l: 34, r: 44, t: 34, b: 42 } };

/** All annotations of a view: {wide, quantity, row, places, curves, numbers, off, parent, rate, ...} (see curves.js). */
export function annotations(view, colour) {
  const { row, curves, off, wide } = view;
  const shown = row.map((candidate, i) => ({ candidate, number: view.numbers[i], ...curves[i] })).filter((_, i) => !off.has(view.places[i]));
  const notes = captions(view, colour["ink-3"]);
  if (curves.every((c) => c.x.length < 2)) notes.push(firstPoint(view, colour));
  for (const each of openEnds(shown)) notes.push(nowLabel(each, view, colour));
  return wide ? [...notes, ...endLabels(view, shown, colour)] : notes;
}

/** The candidates that train and have a point: where their curves end for now. */
export const openEnds = (shown) => shown.filter((c) => c.candidate.status === "running" && c.x.length > 0);

function captions({ quantity, off, rate, wide, xTitle }, ink) {
  const left = -(wide ? MARGIN.wide : MARGIN.narrow).l;
  const notes = [
    caption(quantity === "loss" ? "training loss" : "validation accuracy, %", 0, "left", 1, left, 22, ink),
    caption(xTitle, 1, "right", 0, 0, -34, ink),
  ];
  if (rate && !off.has("rate")) notes.push(caption("learning rate", 1, wide ? "left" : "right", 1, wide ? 8 : 40, 22, ink));
  return notes;
}

function firstPoint({ row, images }, colour) {
  const running = row.find((c) => c.status === "running");
  const speed = running?.images_per_second;
  const seconds = speed ? (images * (1 - (running.epoch % 1))) / speed : null;
  const soon = seconds === null ? "" : seconds < 90 ? `, in about ${Math.max(1, Math.round(seconds))}\u202fs` : `, in ${about(seconds)}`;
  const text = running ? `The first point comes at the end of epoch 1${soon}` : row.every(hasEnded) ? "None of them ended an epoch" : "The curves begin when the training begins";
  return { text, x: 0.5, y: 0.5, xref: "paper", yref: "paper", showarrow: false, bgcolor: colour.surface, borderpad: 6, font: { size: 13, color: colour["ink-2"] } };
}

function nowLabel({ candidate, number, x, y }, view, colour) {
  const right = x.at(-1) > 0.8 * view.width;
  return {
    text: `${shortCode(candidate)} now`, x: x.at(-1), y: view.y(y.at(-1)), xref: "x", yref: "y2", showarrow: false,
    xshift: right ? -14 : 14, yshift: -18, xanchor: right ? "right" : "left", bgcolor: colour.surface, borderpad: 1,
    font: { size: 13, weight: 600, color: colour[SERIES[number - 1].token] },
  };
}

/** Labels at the ends of the curves, moved apart, with thin lines that lead to them. */
function endLabels({ row, width, quantity, parent, off, pixelsPerUnit }, shown, colour) {
  if (row.length > 12 || row.some(isComparison)) return []; // comparisons end anywhere, and all of them near zero
  const ended = shown.filter((c) => c.candidate.status !== "running" && c.x.length > 1);
  const ends = ended.map(({ candidate, number, x, y }) => ({
    x: x.at(-1), y: y.at(-1), color: colour[SERIES[number - 1].token],
    text: `${candidate.code}  ${quantity === "loss" ? y.at(-1).toFixed(3) : percent(y.at(-1) / 100, 1)}`,
    bgcolor: x.at(-1) < width ? colour.surface : undefined, // it went no further: the label stands among the lines
  }));
  if (parent && quantity === "accuracy" && !off.has("parent")) {
    ends.push({ x: width, y: 100 * parent.val_accuracy, text: "parent", color: colour["ink-2"] });
  }
  return apart(ends, pixelsPerUnit).map(({ color, ...end }) => ({
    ...end, xref: "x", yref: "y2", xanchor: "left", align: "left", ax: 52, showarrow: true, arrowhead: 0, arrowwidth: 1,
    arrowcolor: colour["line-strong"], standoff: 5, font: { size: 13, weight: 600, color },
  }));
}

/** "model_0, total budget" -> "model_0 total": what has room beside a curve. */
const shortCode = (candidate) => candidate.code.replace(/, (\w+) budget$/, " $1");

/** Gives every end an `ay` so that labels stand at least GAP px apart, in the order of their values. */
function apart(ends, pixelsPerUnit) {
  let lowest = -Infinity;
  return [...ends]
    .sort((a, b) => b.y - a.y)
    .map((end) => {
      const wanted = -end.y * pixelsPerUnit;
      lowest = Math.max(wanted, lowest + GAP);
      return { ...end, ay: lowest - wanted };
    });
}
