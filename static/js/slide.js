// From one drawing of a network to the next: parts keep their names, so that known ones move and new ones fade in.

import { isStill } from "./motion.js";

const MILLISECONDS = 600;
const EASE = "cubic-bezier(.4, 0, .2, 1)";

/** Puts `fresh` in the place of what `box` holds, and moves what both have. */
export function slideInto(box, fresh) {
  const old = box.querySelector("svg");
  const before = old && !isStill() ? rowsOf(old) : new Map();
  box.replaceChildren(fresh);
  const after = rowsOf(fresh);
  if (![...after.keys()].some((name) => before.has(name))) return;
  for (const [name, row] of after) move(row, before.get(name));
  for (const skip of fresh.querySelectorAll("[data-skip], .trunk, .band, .band-label")) fade(skip);
}

function rowsOf(svg) {
  const rows = new Map();
  for (const element of svg.querySelectorAll("[data-node]")) {
    const [x, y] = element.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
    const block = element.querySelector("rect.block");
    rows.set(element.dataset.node, { element, x, y, block, width: block && Number(block.getAttribute("width")) });
  }
  return rows;
}

function move(row, old) {
  if (!old) {
    fade(row.element);
    return;
  }
  const timing = { duration: MILLISECONDS, easing: EASE };
  if (old.x !== row.x || old.y !== row.y) {
    row.element.animate([{ transform: `translate(${old.x}px, ${old.y}px)` }, { transform: `translate(${row.x}px, ${row.y}px)` }], timing);
  }
  if (old.width && row.width && old.width !== row.width) {
    const at = (width) => ({ x: `${-width / 2}px`, width: `${width}px` });
    row.block.animate([at(old.width), at(row.width)], timing);
  }
}

const fade = (element) => element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MILLISECONDS, easing: "ease-in" });
