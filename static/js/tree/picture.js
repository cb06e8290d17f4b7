// The tree as a picture of rows that can be drawn one by one, so that those out of sight need not be there.
// As searches/diagrams/lineage.py.

import { s } from "../dom.js";
import { generations, spanOf } from "./family.js";
import { finalWidth, gridFor, spotsOf, strip } from "./layout.js";
import { hexagon, number, path, rect, roundedBox, text } from "./marks.js";
import { SQUARE, node } from "./nodes.js";

const MOST_FANNED = 12;

/** The tree of a state {config, status, candidates}, laid out for `width` px; `selected` is an id, `rows` its generations. */
export class Picture {
  constructor(state, { width, selected = null, best = null, rows = generations(state) }) {
    this.rows = rows;
    this.selected = selected;
    this.grid = gridFor(width, Math.max(1, state.config.n_neigh));
    this.tops = this.rows.map((_, i) => 26 + this.grid.pitch * i);
    this.spots = spotsOf(this.rows, this.tops, this.grid, selected);
    this.height = this.tops.at(-1) + this.grid.nodeHeight + 16;
    this.span = spanOf(this.rows);
    const ids = this.rows.flatMap((row) => row.members.map((m) => m.id)).filter((id) => this.spots.has(id));
    this.tabStop = [selected, best].find((id) => this.spots.has(id)) ?? ids[0] ?? null;
    this.heirs = this.#heirs();
  }

  /** Rows of which something lies between two heights, as [first, last]. */
  between(from, to) {
    const at = (y) => Math.max(0, Math.min(this.rows.length - 1, Math.floor((y - 26) / this.grid.pitch)));
    return [at(from), at(to + this.grid.gap)];
  }

  rowWith(id) {
    return this.rows.findIndex((row) => row.members.some((m) => m.id === id));
  }

  /** The ground of the open row. */
  ground(i) {
    const { grid, rows, tops } = this;
    if (rows.findIndex((row) => row.isOpen) !== i) return [];
    return [rect(0, tops[i] - 23, grid.width, grid.nodeHeight + 37, "row-now", 10)];
  }

  label(i) {
    const { grid } = this;
    const row = this.rows[i];
    const middle = this.tops[i] + grid.nodeHeight / 2;
    const faint = row.members.length ? "" : " faint";
    if (grid.wide) return s("g", null, text(14, middle - 3, row.label, `row-label${faint}`), row.note && text(14, middle + 14, row.note, "row-note"));
    const [first, second] = row.short;
    if (!second) return text(2, middle + 4, first, `row-short${faint}`);
    return s("g", null, text(2, middle - 3, first, "row-note"), text(2, middle + 13, second, `row-short${faint}`));
  }

  /** The nodes of a row as a group, or null where it has none. `made(member, draw)` may answer with a node it has. */
  group(i, made = (_, draw) => draw()) {
    const row = this.rows[i];
    if (row.members.length === 0) return null;
    const drawn = row.members
      .filter((m) => this.spots.has(m.id))
      .map((m) => {
        const options = { selected: m.id === this.selected, tabStop: m.id === this.tabStop };
        const spot = this.spots.get(m.id);
        return made({ ...m, ...spot, ...options, level: i }, () => node(m, spot, i + 1, options));
      });
    return s("g", { role: "group", "aria-label": row.label }, strip(row, this.tops[i], this.grid, this.span, this.spots), drawn);
  }

  /** A row to come: the outlines of its places. */
  ghosts(i) {
    const { grid } = this;
    const [row, top] = [this.rows[i], this.tops[i]];
    if (row.members.length) return [];
    if (row.kind === "neighbour" && grid.form !== "strip") {
      return [path(Array.from({ length: grid.slots }, (_, j) => this.#outline(j, top)).join(""), "ghost")];
    }
    const wide = finalWidth(grid);
    return [
      rect(grid.middle - wide / 2, top + 5, wide, grid.nodeHeight - 10, "ghost", 8),
      text(grid.middle, top + grid.nodeHeight / 2 + 4.5, this.#toCome(row), "ghost-word", "middle"),
    ];
  }

  #toCome(row) {
    const { grid } = this;
    if (row.kind === "final") return grid.wide ? "the winner, on training + validation set; then the test set, once" : "train + validation, then test";
    return row.kind === "rest" ? `${row.steps} steps of ${grid.slots}` : `${grid.slots} trainings`;
  }

  #outline(place, top) {
    const { nodeWidth: w, nodeHeight, form, slots } = this.grid;
    const [h, y] = form === "square" ? [SQUARE, top + 22] : [nodeHeight, top];
    const x = this.grid.slotX(place) - w / 2;
    return place === slots - 1 && slots > 1 ? hexagon(x, y, w, h) : roundedBox(x, y, w, h);
  }

  // ------------------------------------------------------------------ links

  /** Whom each row to come descends from, as far as it is known. */
  #heirs() {
    const heirs = [];
    let heir = null;
    for (const row of this.rows) {
      heirs.push(row.members.length ? null : heir);
      if (row.members.length === 0) heir = null;
      else if (row.kind !== "final") {
        const member = row.members.find((m) => m.wins || m.leads);
        heir = (member && this.spots.get(member.id)) ?? null;
      }
    }
    return heirs;
  }

  /** What leads into a row from above: {quiet, strong}, the strong ones to be drawn over all others. */
  links(i) {
    const { grid, heirs } = this;
    const [row, top] = [this.rows[i], this.tops[i]];
    const out = { quiet: [], strong: [] };
    if (row.members.length === 0) {
      const heir = heirs[i];
      if (heir === null) return out;
      if (row.kind === "neighbour" && grid.slots <= MOST_FANNED) {
        const y = top + (grid.form === "square" ? 22 : 0);
        out.quiet.push(path(Array.from({ length: grid.slots }, (_, j) => curve(heir, grid.slotX(j), y)).join(""), "link-wait"));
      } else out.quiet.push(path(curve(heir, heir.x, top + 5), "link-wait"));
      return out;
    }
    for (const m of row.members) {
      const [parent, here] = [this.spots.get(m.parent), this.spots.get(m.id)];
      if (!parent || !here || (m.state === "pending" && grid.slots > MOST_FANNED)) continue;
      const class_ = linkClass(m);
      const link = path(curve(parent, here.form === "bar" ? parent.x : here.x, here.y), class_, { "data-to": m.id });
      (class_ === "link-win" || class_ === "link-lead" ? out.strong : out.quiet).push(link);
    }
    return out;
  }
}

function linkClass(m) {
  if (m.wins || m.kind === "final") return "link-win";
  if (m.leads) return "link-lead";
  return m.state === "pending" ? "link-wait" : "link";
}

function curve(parent, x, y) {
  const start = `M${number(parent.x)} ${number(parent.foot)}`;
  if (Math.abs(parent.x - x) < 1) return `${start}V${number(y)}`;
  const bend = 0.6 * (y - parent.foot);
  return `${start}C${number(parent.x)} ${number(parent.foot + bend)} ${number(x)} ${number(parent.foot)} ${number(x)} ${number(y)}`;
}

/** The whole picture in the order of the server's drawing. */
export function whole(picture) {
  const all = picture.rows.map((_, i) => i);
  const links = all.map((i) => picture.links(i));
  return s(
    "svg", { class: picture.grid.wide ? "tree" : "tree narrow" },
    all.map((i) => picture.ground(i)), links.map((l) => l.quiet), links.map((l) => l.strong), all.map((i) => picture.ghosts(i)),
    all.map((i) => [picture.label(i), picture.group(i)]),
  );
}
