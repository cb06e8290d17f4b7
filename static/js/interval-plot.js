// A 95 % interval as a whisker on an axis that a whole table shares, with a band behind it to be held against.

import { h } from "./dom.js";

/** The range of shares that holds every interval, in whole or half per cents; null where there is none. */
export function scaleOf(intervals) {
  if (intervals.length === 0) return null;
  const low = 100 * Math.min(...intervals.map((i) => i[0]));
  const high = 100 * Math.max(...intervals.map((i) => i[1]));
  const unit = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((u) => (high - low) / u <= 4) ?? 25;
  return { low: Math.floor(low / unit) * unit, high: Math.ceil(high / unit) * unit, unit };
}

const place = (value, { low, high }) => `${((100 * (100 * value - low)) / (high - low)).toFixed(2)}%`;

export function axisOf(scale) {
  if (scale === null) return "";
  const ticks = [];
  for (let v = scale.low; v <= scale.high + scale.unit / 2; v += scale.unit) {
    const tick = h("span", { class: "axis-tick" }, String(Number(v.toFixed(1))));
    tick.style.insetInlineStart = place(v / 100, scale);
    ticks.push(tick);
  }
  return h("span", { class: "axis" }, h("span", { class: "axis-name" }, "95 % interval"), ticks);
}

/** The whisker of one row: its interval, its value, and the interval of the row that all are held against. */
export function plot([low, high], value, scale, band) {
  const box = (className, from, to) => {
    const element = h("span", { class: className });
    element.style.insetInlineStart = place(from, scale);
    element.style.width = `${((10_000 * (to - from)) / (scale.high - scale.low)).toFixed(2)}%`;
    return element;
  };
  const dot = h("span", { class: "plot-dot" });
  dot.style.insetInlineStart = place(value, scale);
  return h("span", { class: "plot-field" }, band && box("plot-band", ...band), box("plot-whisker", low, high), dot);
}
