// One training as a tree item; its accessible name begins with what is seen. As searches/diagrams/nodes.py.

import { s } from "../dom.js";
import { percent, short } from "../format.js";
import { MORPHISM_GLYPHS, glyph, hexagon, number, path, rect, text, textWidth } from "./marks.js";

export const SQUARE = 16;
const PAD = 5;
const LEADS_WIDTH = 48;

/** Marks are [what is read there, element], in the order of reading. */
const words = (x, y, content, class_, anchor = "middle") => [content, text(x, y, content, class_, anchor)];
const mark = (element) => ["", element];

const left = (spot) => spot.x - spot.width / 2;

export function node(member, spot, level, { selected, tabStop }) {
  const inside = { square, bar }[spot.form]?.(member, spot) ?? box(member, spot);
  const seen = inside.map(([said]) => said).filter(Boolean).join(" ");
  return s(
    "g",
    {
      id: `node-${member.id}`, class: classes(member, spot, selected), role: "treeitem", "aria-level": level,
      "aria-selected": String(selected), "aria-label": seen ? `${seen}. ${member.told}` : member.told, tabindex: tabStop ? 0 : -1,
      "data-candidate": member.id, "data-step": member.step, "data-index": member.index, "data-epochs": member.epochs, "data-url": member.url || null,
    },
    outline(member, spot, 4.5, "ring"),
    outline(member, spot, 0, "shape"),
    inside.map(([, element]) => element),
  );
}

function classes(member, spot, selected) {
  const flags = [
    [`acc-${member.ramp}`, member.state === "done" && member.kind !== "final"],
    ["is-parent", member.isParent],
    ["is-win", member.wins && member.kind !== "final"],
    ["is-lead", member.leads],
    ["is-final", member.kind === "final"],
    ["is-small", spot.form === "square"],
    ["is-chosen", selected],
  ];
  return ["node", member.state, ...flags.filter(([, on]) => on).map(([name]) => name)].join(" ");
}

function outline(member, spot, grow, class_) {
  const [x, y, w, h] = [left(spot) - grow, spot.y - grow, spot.width + 2 * grow, spot.height + 2 * grow];
  if (member.isParent) return path(hexagon(x, y, w, h), class_);
  return rect(x, y, w, h, class_, (spot.form === "square" ? 3 : 8) + grow);
}

// ------------------------------------------------------------------ the box

function box(member, spot) {
  const inner = spot.width - 2 * PAD - (member.isParent ? 10 : 0);
  const tall = spot.height >= 48;
  const marks = tall && member.kind === "neighbour" ? code(member, spot) : [];
  if (member.state === "running") marks.push(...running(member, spot, inner, tall));
  else if (member.state === "failed") marks.push(...failed(member, spot, inner, tall));
  else {
    const done = member.state === "done" && member.accuracy !== null;
    const [said, size] = done ? accuracy(member, inner) : [member.word, tall ? "val waits" : "val small"];
    marks.push(words(spot.x, spot.y + (tall ? 23 : spot.height / 2 + 4.5), said, size));
    if (tall) marks.push(...secondLine(member, spot, inner, spot.y + 42));
  }
  return [...marks, ...badge(member, spot)];
}

function code(member, spot) {
  const taken = textWidth(member.code) + (member.wins ? 20 : 0);
  const room = member.leads ? spot.width - LEADS_WIDTH - 10 : spot.width / 2 - 2;
  if ((member.leads || (member.wins && spot.fromLeft)) && taken > room) return [];
  const cut = member.isParent ? 9 : 1;
  if (spot.fromLeft) return [words(left(spot) + spot.width - Math.max(cut, member.wins ? 17 : 0), spot.y - 8, member.code, "code", "end")];
  return [words(left(spot) + cut, spot.y - 8, member.code, "code", "start")];
}

/** The accuracy as exactly as there is room for. */
function accuracy(member, room) {
  const inner = room + (member.isParent ? 6 : 0);
  const [exact, rounded] = [percent(member.accuracy), percent(member.accuracy, 1)];
  for (const [said, size, class_] of [[exact, 16, "val"], [rounded, 16, "val"], [rounded, 14, "val mid"]]) {
    if (textWidth(said, size, true) <= inner + 5) return [said, class_];
  }
  return [(100 * member.accuracy).toFixed(1), "val mid"];
}

function secondLine(member, spot, inner, base) {
  const size = short(member.nParameters);
  if (member.morphisms.length) return morphisms(member, spot, inner, base);
  const name = member.isParent ? "parent" : member.kind === "pretrain" ? "model_0" : "no morphism";
  const said = [`${name} · ${size}`, name, size].find((w) => textWidth(w) <= inner + 2);
  return said ? [words(spot.x, base, said, "sub")] : [];
}

/** Glyphs one by one with the parameters, one by one, or each kind once with its number: what fits first; never some. */
function morphisms(member, spot, inner, base) {
  const each = member.morphisms.map((kind) => [kind, 1]);
  const others = [...new Set(member.morphisms)].filter((kind) => !(kind in MORPHISM_GLYPHS)).sort();
  const kinds = [...Object.keys(MORPHISM_GLYPHS), ...others].filter((kind) => member.morphisms.includes(kind));
  const counted = kinds.map((kind) => [kind, member.morphisms.filter((k) => k === kind).length]);
  const once = kinds.map((kind) => [kind, 1]);
  for (const [items, gap, label] of [[each, 4, short(member.nParameters)], [each, 4, ""], [counted, 4, ""], [counted, 1, ""], [once, 1, ""]]) {
    const labelWidth = label ? textWidth(label) + 6 : 0;
    const total = items.reduce((sum, [, n]) => sum + 13 + (n > 1 ? 8 : 0), 0) + gap * (items.length - 1) + labelWidth;
    if (total <= inner + 2) return inARow(items, gap, label, spot.x - total / 2, base);
  }
  return [];
}

function inARow(items, gap, label, start, base) {
  const marks = [];
  let x = start;
  for (const [kind, n] of items) {
    marks.push(mark(glyph(kind, x, base - 10, 13)));
    x += 13;
    if (n > 1) {
      marks.push(words(x + 0.5, base + 0.5, String(n), "sub", "start"));
      x += 8;
    }
    x += gap;
  }
  if (label) marks.push(words(x - gap + 6, base + 0.5, label, "sub", "start"));
  return marks;
}

function running(member, spot, inner, tall) {
  const now = `${member.epochNow} of ${member.epochs}`;
  const tries = [`epoch ${now}`, now, now.replace(" of ", "/")];
  const said = tries.find((w) => textWidth(w, 13, true) <= inner + 6) ?? tries.at(-1);
  const y = spot.y + (tall ? 20 : 16);
  const marks = [words(spot.x, y, said, "val run"), ...progress(member, spot.x - inner / 2 + 2, y + 7, inner - 4)];
  return tall ? [...marks, ...secondLine(member, spot, inner, spot.y + 45.5)] : marks;
}

function progress(member, x, y, width) {
  const share = member.epochs ? Math.min(1, member.epoch / member.epochs) : 0;
  return [mark(rect(x, y, width, 4, "run-track", 2)), mark(rect(x, y, width * share, 4, "run-fill", 2))];
}

function failed(member, spot, inner, tall) {
  const said = textWidth(member.word) <= inner + 4 ? member.word : member.word.split(" ").at(-1);
  const sign = member.word === "stopped" ? "dash" : "cross";
  if (tall) return [mark(glyph(sign, spot.x - 6.5, spot.y + 10, 13, "x")), words(spot.x, spot.y + 42, said, "val sub")];
  const middle = spot.y + spot.height / 2;
  if (textWidth(said) > inner + 4) return [mark(glyph(sign, spot.x - 6.5, middle - 6.5, 13, "x"))];
  return [words(spot.x, middle + 4, said, "val sub")];
}

function badge(member, spot) {
  if (member.wins) {
    const [x, y] = [left(spot) + spot.width - 3, spot.y + 3];
    return [mark(s("circle", { class: "badge-win", cx: number(x), cy: number(y), r: 9 })), mark(glyph("check", x - 5, y - 5, 10, "on-badge"))];
  }
  if (!member.leads) return [];
  const room = spot.width - LEADS_WIDTH;
  const inset = Math.min(6, room / 2);
  const x = left(spot) + (spot.fromLeft ? inset : room - inset);
  return [mark(rect(x, spot.y - 13, LEADS_WIDTH, 18, "badge-lead", 9)), words(x + LEADS_WIDTH / 2, spot.y + 0.2, "leads", "badge-word")];
}

// ------------------------------------------------------------------ the square and the final bar

function square(member, spot) {
  const marks = [];
  let said = member.accuracy !== null ? percent(member.accuracy) : member.word;
  if (member.state === "running") {
    marks.push(...progress(member, left(spot) + 3, spot.y + 6, spot.width - 6));
    said = `${member.epochNow} of ${member.epochs}`;
  } else if (member.state === "failed") {
    marks.push(mark(glyph("cross", spot.x - 5, spot.y + 3, 10, "x")));
    said = member.word;
  }
  return [...marks, words(spot.x, spot.y - 7, said, `val over${member.wins || member.leads ? "" : " on-focus"}`)];
}

function bar(member, spot) {
  const y = spot.y + spot.height / 2 + 4.5;
  if (member.state === "running") {
    const said = `${spot.width > 500 ? "training + validation set, " : ""}epoch ${member.epochNow} of ${member.epochs}`;
    return [words(spot.x, y - 4, said, "val run"), ...progress(member, left(spot) + 16, y + 6, spot.width - 32)];
  }
  if (member.state === "done" && member.accuracy !== null) {
    const more = spot.width > 420 ? ` · ${percent(1 - member.accuracy)} error · ${short(member.nParameters)} parameters` : "";
    return [words(spot.x, y, `${percent(member.accuracy)} test accuracy${more}`, "val mid")];
  }
  if (member.state === "failed") return [mark(glyph("cross", left(spot) + 16, y - 11, 13, "x")), words(spot.x, y, member.word, "val sub")];
  return [words(spot.x, y, member.word || "ended", "val waits")];
}
