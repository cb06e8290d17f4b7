// The lineage tree: drawn here from the state, rows in sight only, so that nothing is asked for and 2,000 nodes are no
// burden; chosen in by click, walked through by arrow keys.

import { offerData } from "./data.js";
import { byId, oncePerFrame, s, setText } from "./dom.js";
import { appear, drawLine } from "./motion.js";
import { isComparison } from "./state.js";
import { generations, rampOf } from "./tree/family.js";
import { Picture } from "./tree/picture.js";

const SPARE = 160; // px above and below what is in sight that are drawn, too

export class Tree {
  #store;
  #box = byId("tree");
  #svg = s("svg", { role: "tree", "aria-label": "Lineage: a row for each step; arrow keys choose a network, Enter opens it" });
  #layers = ["ground", "quiet", "strong", "ghosts", "rows"].map((name) => s("g", { "data-layer": name, role: name === "rows" ? "presentation" : null, "aria-hidden": name === "rows" ? null : "true" }));
  #width = 0;
  #picture = null;
  #family = null; // the rows of the picture; null: to be worked out anew
  #kept = new Map(); // id -> {key, element} of the nodes in the document
  #mounted = new Map(); // row -> {parts: elements by layer, whole: whether all layers have theirs} of the rows in the document
  #known = null; // what the last drawing had: {nodes, winners} as sets of ids; null: there was none
  #stale = true; // whether something has changed since it was laid out
  #followed = null; // the chosen network that was scrolled to
  #draw = oncePerFrame(() => this.#stale && this.#lay());
  #scroll = oncePerFrame(() => this.#mount(false));

  constructor(store) {
    this.#store = store;
    this.#svg.append(...this.#layers);
    this.#box.replaceChildren(this.#svg);
    this.#box.addEventListener("click", (event) => this.#click(event));
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    this.#box.addEventListener("scroll", this.#scroll, { passive: true });
    offerData("lineage", () => ({ title: "Lineage", ...table(store) }));
    store.listen((changed) => this.#hear(changed));
    new ResizeObserver(() => this.#fit()).observe(this.#box);
    this.#fit();
  }

  #hear(changed) {
    if (!changed.choice && !changed.search && !changed.candidates.size) return;
    if (!changed.choice) this.#family = null;
    this.#stale = true;
    this.#draw();
  }

  /** Laid out anew for the desk and for the phone, never scaled down. */
  #fit() {
    const room = this.#box.clientWidth;
    if (room < 200) return; // hidden, or the window is being changed
    const width = room < 560 ? Math.max(280, room) : Math.min(1200, room);
    if (Math.abs(width - this.#width) < 2) return;
    this.#width = width;
    this.#lay();
  }

  #lay() {
    if (this.#width === 0) return;
    const { search, all, chosen, final, best } = this.#store;
    const state = { config: search.config, status: search.status, candidates: all };
    const stop = isTreeNode(chosen) ? chosen : (final ?? best); // a comparison is no node of the tree
    if (this.#family === null) this.#ramp(all);
    this.#family ??= generations(state);
    this.#stale = false;
    const picture = new Picture(state, { width: this.#width, selected: chosen?.id ?? null, best: stop?.id ?? null, rows: this.#family });
    const { width, height } = { width: picture.grid.width, height: picture.height };
    this.#svg.setAttribute("class", picture.grid.wide ? "tree" : "tree narrow");
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.setAttribute("width", width);
    this.#svg.setAttribute("height", height);
    this.#picture = picture;
    this.#follow(stop);
    this.#mount(true);
    this.#showNew();
  }

  /** A new node appears, and the line to a new winner draws itself. */
  #showNew() {
    const members = this.#picture.rows.flatMap((row) => row.members);
    const [nodes, winners] = [members, members.filter((m) => m.wins)].map((some) => new Set(some.map((m) => m.id)));
    const { nodes: seen, winners: crowned } = this.#known ?? { nodes, winners };
    this.#known = { nodes, winners };
    for (const id of nodes) if (!seen.has(id) && byId(`node-${id}`)) appear(byId(`node-${id}`));
    for (const id of winners) {
      const line = !crowned.has(id) && this.#svg.querySelector(`path[data-to="${id}"]`);
      if (line) drawLine(line);
    }
  }

  /** Scrolls inside the box to the chosen network when another one is chosen. */
  #follow(stop) {
    if (!stop || stop.id === this.#followed) return;
    this.#followed = stop.id;
    const spot = this.#picture.spots.get(stop.id);
    if (!spot) return;
    const { scrollTop, clientHeight, scrollLeft, clientWidth } = this.#box;
    if (spot.y - 40 < scrollTop) this.#box.scrollTop = spot.y - 90;
    else if (spot.foot + 30 > scrollTop + clientHeight) this.#box.scrollTop = spot.foot + 90 - clientHeight;
    if (spot.x - spot.width < scrollLeft || spot.x + spot.width > scrollLeft + clientWidth) this.#box.scrollLeft = spot.x - clientWidth / 2;
  }

  /** Puts the rows in sight, and the one that Tab reaches, into the document; while it is scrolled those that are new. */
  #mount(anew) {
    const picture = this.#picture;
    if (!picture) return;
    const [first, last] = picture.between(this.#box.scrollTop - SPARE, this.#box.scrollTop + this.#box.clientHeight + SPARE);
    const wanted = new Map(Array.from({ length: last - first + 1 }, (_, i) => [first + i, true]));
    const stop = picture.rowWith(picture.tabStop);
    if (stop >= 0 && !wanted.has(stop)) wanted.set(stop, false);
    const focused = this.#box.contains(document.activeElement) ? document.activeElement.id : null;
    if (anew) this.#replace(wanted);
    else this.#exchange(wanted);
    if (focused && document.activeElement?.id !== focused) byId(focused)?.focus({ preventScroll: true });
  }

  #replace(wanted) {
    const before = this.#kept;
    this.#kept = new Map();
    this.#mounted = new Map([...wanted].sort(([a], [b]) => a - b).map(([i, whole]) => [i, this.#row(i, whole, before)]));
    const rows = [...this.#mounted.values()];
    for (const [k, layer] of this.#layers.entries()) layer.replaceChildren(...rows.flatMap(({ parts }) => parts[k]));
  }

  /** Rows that are in the document already stay as they are. */
  #exchange(wanted) {
    for (const [i, row] of this.#mounted) {
      if (wanted.get(i) === row.whole) continue;
      for (const element of row.parts.flat()) element.remove();
      this.#mounted.delete(i);
      for (const member of this.#picture.rows[i].members) if (!wanted.has(i)) this.#kept.delete(member.id);
    }
    for (const [i, whole] of wanted) {
      if (this.#mounted.has(i)) continue;
      const row = this.#row(i, whole, this.#kept);
      const after = [...this.#mounted.keys()].filter((other) => other > i).sort((a, b) => a - b);
      for (const [k, layer] of this.#layers.entries()) {
        const next = after.map((other) => this.#mounted.get(other).parts[k][0]).find(Boolean) ?? null;
        for (const element of row.parts[k]) layer.insertBefore(element, next);
      }
      this.#mounted.set(i, row);
    }
  }

  /** The elements of a row by layer; not `whole`: its nodes alone. A node whose facts are as in `known` is the same element. */
  #row(i, whole, known) {
    const picture = this.#picture;
    const reuse = (facts, draw) => {
      const key = JSON.stringify(facts);
      const had = known.get(facts.id);
      const element = had?.key === key ? had.element : draw();
      this.#kept.set(facts.id, { key, element });
      return element;
    };
    const nodes = [picture.label(i), picture.group(i, reuse)].filter(Boolean);
    if (!whole) return { whole, parts: [[], [], [], [], nodes] };
    const { quiet, strong } = picture.links(i);
    return { whole, parts: [picture.ground(i), quiet, strong, picture.ghosts(i), nodes] };
  }

  /** The ends of the colour ramp: whole per cents around the decided rows. */
  #ramp(all) {
    const tree = all.filter(isTreeNode);
    const known = tree.some((c) => c.status === "done" && c.val_accuracy !== null);
    byId("ramp").hidden = !known;
    if (!known) return;
    const { low, high } = rampOf(tree);
    setText(byId("ramp-low"), String(Math.round(100 * low)));
    setText(byId("ramp-high"), `${Math.round(100 * high)}\u202f%`);
  }

  // ------------------------------------------------------------------ choosing

  #candidateOf(event) {
    const node = event.target.closest("[id^='node-']");
    return node ? (this.#store.candidates.get(Number(node.id.slice(5))) ?? null) : null;
  }

  #click(event) {
    const candidate = this.#candidateOf(event);
    if (!candidate) return;
    this.#followed = candidate.id; // it is in sight: nothing is to move under the pointer
    this.#choose(candidate);
  }

  #key(event) {
    const candidate = this.#candidateOf(event);
    if (!candidate || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter") {
      location.href = candidate.url;
      return;
    }
    const next = this.#neighbour(candidate, event.key);
    if (!next) return;
    event.preventDefault();
    this.#choose(next);
  }

  #choose(candidate) {
    this.#store.choose(candidate.code);
    this.#lay();
    byId(`node-${candidate.id}`)?.focus({ preventScroll: true });
  }

  /** Left and right in the row, up to the parent, down to the best child, Home and End of the row. */
  #neighbour(candidate, key) {
    const row = this.#store.row(this.#store.rowOf(candidate));
    const place = row.indexOf(candidate);
    const steps = {
      ArrowLeft: () => row[place - 1],
      ArrowRight: () => row[place + 1],
      Home: () => row[0],
      End: () => row.at(-1),
      ArrowUp: () => this.#store.parentOf(candidate),
      ArrowDown: () => this.#bestChild(candidate),
      " ": () => candidate,
    };
    return steps[key]?.() ?? null;
  }

  #bestChild(candidate) {
    const children = this.#store.all.filter((c) => c.parent === candidate.id && isTreeNode(c));
    return children.find((c) => c.winner) ?? children.reduce((top, c) => (top === null || (this.#store.measure(c) ?? -1) > (this.#store.measure(top) ?? -1) ? c : top), null);
  }
}

/** The nodes of the tree, a row each. */
function table(store) {
  const columns = ["network", "parent", "step", "status", "validation accuracy", "test accuracy", "winner", "parameters", "morphisms"];
  const row = (c) => [
    c.code, store.parentOf(c)?.code ?? null, c.step, c.status, c.val_accuracy, c.test_accuracy, c.winner ? "yes" : "no", c.n_parameters, c.morphisms.map((m) => m.words).join("; "),
  ];
  return { columns, rows: store.all.filter(isTreeNode).map(row) };
}

const isTreeNode = (candidate) => Boolean(candidate) && !isComparison(candidate);
