// Where everything of the tree stands: the grid, the spot of each node, strips of very many. As
// searches/diagrams/lineage.py and strip.py.

import { percent } from "../format.js";
import { number, path, text, textWidth } from "./marks.js";
import { SQUARE } from "./nodes.js";

const WIDE = 560;
const [MOST_SQUARES, MOST_FULL] = [40, 4];

/** Boxes while a slot is at least 52 px, squares to 40 a row, then strips. On a phone up to 12 scroll sideways. */
export function gridFor(asked, slots) {
  const wide = asked >= WIDE;
  let [width, gutter] = [asked, wide ? 124 : 40];
  if (!wide && slots > 5 && slots <= 12) width = gutter + 6 + 74 * slots;
  const slot = (width - gutter - (wide ? 0 : 6)) / slots;
  const grid = (nodeWidth, nodeHeight, gap, form) => {
    const area = width - gutter - (gutter > 60 ? 0 : 6);
    return {
      width, gutter, slots, nodeWidth, nodeHeight, gap, form, area, wide: gutter > 60, middle: gutter + area / 2, pitch: nodeHeight + gap,
      slotX: (place) => gutter + (area / slots) * (place + 0.5),
    };
  };
  if (slots > MOST_SQUARES) return grid(wide ? 82 : 66, 54, 36, "strip");
  if (slot < 52) {
    gutter = Math.max(gutter, 54);
    width = Math.max(width, gutter + 6 + 20 * slots);
    return grid(SQUARE, 46, 32, "square");
  }
  if (slot < 70) return grid(slot - 6, 34, 38, "box");
  return grid(Math.min(132, slot - (slot > 80 ? 14 : 8)), 54, 44, "box");
}

export function finalWidth(grid) {
  if (grid.form !== "box") return grid.area - 16;
  return Math.max(grid.area - (grid.area / grid.slots - grid.nodeWidth), Math.min(grid.area - 16, 520));
}

/** Map of id -> spot, the middle of a node's head and its size. */
export function spotsOf(rows, tops, grid, selected) {
  const spots = new Map();
  const put = (m, x, y, width, height, form = "box", fromLeft = false) => spots.set(m.id, { x, y, width, height, form, fromLeft, foot: y + height });
  for (const [i, row] of rows.entries()) {
    const top = tops[i];
    if (row.kind === "neighbour" && grid.form === "strip") {
      stripSpots(row, top, grid, selected, spots, put);
      continue;
    }
    for (const m of row.members) {
      if (row.kind === "final") put(m, grid.middle, top + 5, finalWidth(grid), grid.nodeHeight - 10, "bar");
      else if (row.kind === "pretrain") {
        const full = grid.wide ? Math.max(grid.nodeWidth, Math.min(132, grid.area / 3)) : Math.max(grid.nodeWidth, 74);
        put(m, grid.middle, top, full, Math.min(54, grid.nodeHeight + 8));
      } else if (grid.form === "square") put(m, grid.slotX(m.place), top + 22, SQUARE, SQUARE, "square");
      else {
        const x = grid.slotX(m.place);
        const parent = spots.get(m.parent);
        put(m, x, top, grid.nodeWidth, grid.nodeHeight, "box", parent !== undefined && x > parent.x + 1);
      }
    }
  }
  return spots;
}

// ------------------------------------------------------------------ rows of more than 40

function stripSpots(row, top, grid, selected, above, put) {
  const room = Math.max(2, Math.min(MOST_FULL, Math.floor(grid.area / 2 / (grid.nodeWidth + 10))));
  const onPath = (m) => m.wins || m.leads;
  const telling = row.members.filter((m) => onPath(m) || m.id === selected || m.isParent || m.state === "running");
  telling.sort((a, b) => onPath(b) - onPath(a) || (b.id === selected) - (a.id === selected) || b.isParent - a.isParent || a.index - b.index);
  const full = telling.slice(0, room).sort((a, b) => a.index - b.index);
  const [each, right] = [grid.nodeWidth + 10, grid.gutter + grid.area];
  for (const [k, m] of full.entries()) {
    const x = right - each * (full.length - k - 0.5);
    const parent = above.get(m.parent);
    put(m, x, top, grid.nodeWidth, grid.nodeHeight, "box", parent !== undefined && x > parent.x + 1);
  }
}

/** Ticks of the members that have no place of their own; nothing where all have one. */
export function strip(row, top, grid, ramp, spots) {
  const rest = row.members.filter((m) => !spots.has(m.id));
  if (rest.length === 0) return [];
  const start = grid.gutter + 8;
  const full = row.members.filter((m) => spots.has(m.id)).map((m) => spots.get(m.id).x - spots.get(m.id).width / 2);
  const right = Math.min(...full, grid.gutter + grid.area) - 22;
  const x = (m) => start + (right - start) * Math.max(0, Math.min(1, ((m.accuracy ?? 0) - ramp.low) / (ramp.high - ramp.low)));
  const axis = top + 34;
  const done = rest.filter((m) => m.state === "done").sort((a, b) => (a.accuracy ?? 0) - (b.accuracy ?? 0) || a.index - b.index);
  const ticks = done.map((m) => `M${number(x(m))} ${number(axis - 22)}v18`).join("");
  const marks = [path(`M${number(start)} ${number(axis)}H${number(right)}`, "strip-axis")];
  if (ticks) marks.push(path(ticks, "strip-ticks"));
  marks.push(text(start, axis + 15, percent(ramp.low, 0), "strip-word"), text(right, axis + 15, percent(ramp.high, 0), "strip-word", "end"));
  const counts = countsOf(rest);
  if (textWidth(counts) + 2 * textWidth("100 %") + 16 <= right - start) marks.push(text((start + right) / 2, axis + 15, counts, "strip-word", "middle"));
  return marks;
}

function countsOf(rest) {
  const words = { done: "more", running: "train", pending: "wait", failed: "failed" };
  const n = (state) => rest.filter((m) => m.state === state).length;
  const said = Object.keys(words).filter((state) => n(state)).map((state) => `${n(state)} ${words[state]}`);
  return said.length > 1 || n("done") ? said.join(", ") : `${rest.length.toLocaleString("en-GB")} more${rest.length === 1 ? "" : "s"}`;
}
