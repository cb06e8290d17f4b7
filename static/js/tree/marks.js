// SVG marks as searches/diagrams/svg.py and glyphs.py make them.

import { s } from "../dom.js";

/** A coordinate with at most one decimal; a quarter is rounded down, as Python does it. */
export const number = (value) => {
  const text = (Math.abs(value) % 1 === 0.25 ? value - 0.01 * Math.sign(value) : value).toFixed(1).replace(/\.0$/, "");
  return text === "-0" ? "0" : text;
};

const EMS = Object.fromEntries([
  [..."ijl"].map((c) => [c, 0.28]), [..."It.,:;·|[]' \u00a0"].map((c) => [c, 0.36]), [..."frt()"].map((c) => [c, 0.41]),
  [..."csz"].map((c) => [c, 0.55]), [..."kvxy"].map((c) => [c, 0.59]), [..."MWmw%@×→←+−"].map((c) => [c, 0.92]), [["\u202f", 0.2]],
].flat());

/** About how many px a line takes. */
export const textWidth = (content, size = 12, bold = false) => [...content].reduce((sum, c) => sum + (EMS[c] ?? 0.64), 0) * size * (bold ? 1.1 : 1);

export const text = (x, y, content, class_ = null, anchor = "start") =>
  s("text", { x: number(x), y: number(y), class: class_, "text-anchor": anchor === "start" ? null : anchor }, content);

export const rect = (x, y, width, height, class_, rx = null) =>
  s("rect", { class: class_, x: number(x), y: number(y), width: number(width), height: number(height), rx: rx === null ? null : number(rx) });

export const path = (d, class_, attributes = {}) => s("path", { class: class_, d, ...attributes });

export function hexagon(x, y, width, height) {
  const c = Math.min(11, height / 3.5);
  const [top, middle, bottom] = [number(y), number(y + height / 2), number(y + height)];
  const [left, right] = [number(x + c), number(x + width - c)];
  return `M${left} ${top}H${right}L${number(x + width)} ${middle}L${right} ${bottom}H${left}L${number(x)} ${middle}Z`;
}

export function roundedBox(x, y, width, height) {
  const r = Math.min(8, height / 4);
  const [across, down, q] = [number(width - 2 * r), number(height - 2 * r), number(r)];
  return `M${number(x + r)} ${number(y)}h${across}q${q} 0 ${q} ${q}v${down}q0 ${q} -${q} ${q}h-${across}q-${q} 0 -${q} -${q}v-${down}q0 -${q} ${q} -${q}z`;
}

export const MORPHISM_GLYPHS = {
  deepen: "M2 2.5h10M7 5v7M4 9.2 7 12.2l3-3",
  widen: "M1.5 7h11M4.4 4 1.4 7l3 3M9.6 4l3 3-3 3",
  concat: "M4.5 1.5v11M9.5 1.5v11",
  add: "M7 4v6M4 7h6M7 1.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6",
};
const GLYPHS = {
  ...MORPHISM_GLYPHS, check: "M2.5 7.5 5.8 10.8 11.8 3.6", cross: "M3 3l8 8M11 3l-8 8", dash: "M3 7h8",
  dot: "M7 4.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5",
};

export function glyph(name, x, y, size = 14, class_ = "") {
  const scale = (size / 14).toFixed(3).replace(/\.?0+$/, "");
  const transform = `translate(${number(x)} ${number(y)})${scale === "1" ? "" : ` scale(${scale})`}`;
  return s("g", { class: `glyph ${class_}`.trim(), transform }, s("path", { d: GLYPHS[name] ?? GLYPHS.dot }));
}
