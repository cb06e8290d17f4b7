// The learning curves of one step: its children, the rate that anneals, the parent's accuracy as the line to beat.
// New points extend their traces; the chart is only laid out anew when the step, the quantity or the theme changes.

import { byId, h, icon, oncePerFrame, onThemeChange, segmented, setChildren, setText } from "./dom.js";
import { CONFIG, axis, baseLayout, caption, palette, percentRange } from "./figure.js";
import { about, percent } from "./format.js";
import { SERIES, curve, parentSample, rateAt, rateSample, sample, seriesNumber } from "./series.js";
import { isParentSlot } from "./state.js";

const FIXED = 3; // traces that stand before the children's: rate, parent, rings of those that train
const LABEL_GAP = 17; // px between two direct labels

export class Curves {
  #store;
  #plot = byId("curves-plot");
  #alone;
  #quantity = "accuracy";
  #off = new Set(); // places j, "parent", "rate" that are switched off
  #zoomed = false;
  #drawn = null; // what is on show: {row, quantity, ids}
  #pending = new Map();
  #draw = oncePerFrame(() => this.#layOut());
  #grow = oncePerFrame(() => this.#extend());

  /** `alone`: one candidate's page, where the others of its step stand back. */
  constructor(store, { alone = false } = {}) {
    this.#store = store;
    this.#alone = alone;
    this.#layOut();
    store.listen((changed) => this.#hear(changed));
    onThemeChange(this.#draw);
    this.#plot.on("plotly_relayout", (update) => {
      if (!("annotations" in update)) this.#zoomed = Object.keys(update).some((key) => key.includes("range"));
    });
    this.#plot.on("plotly_doubleclick", () => {
      this.#zoomed = false;
      this.#draw();
    });
    this.#plot.on("plotly_hover", (event) => this.#card(event.points[0]));
    this.#plot.on("plotly_unhover", () => (byId("curves-card").hidden = true));
    new ResizeObserver(this.#draw).observe(this.#plot);
  }

  #hear(changed) {
    if (changed.choice || changed.candidates.size || changed.search) this.#draw();
    else if (changed.points.size) {
      for (const [id, rows] of changed.points) this.#pending.set(id, [...(this.#pending.get(id) ?? []), ...rows]);
      this.#grow();
    }
  }

  // ------------------------------------------------------------------ what is on show

  get #row() {
    return this.#store.row(this.#store.step);
  }

  get #shown() {
    return this.#store.step > this.#store.nSteps ? "loss" : this.#quantity; // the final training has no validation set
  }

  get #parent() {
    const first = this.#row[0];
    return first && first.kind === "neighbour" ? this.#store.parentOf(first) : null;
  }

  get #wide() {
    return this.#plot.clientWidth >= 560;
  }

  #number(candidate) {
    return seriesNumber(candidate, this.#store.chosen);
  }

  // ------------------------------------------------------------------ the whole chart

  #layOut() {
    const colour = palette();
    const row = this.#row;
    const quantity = this.#shown;
    const curves = row.map((candidate) => curve(this.#store, candidate, quantity));
    this.#pending.clear();
    const view = `${this.#store.step} ${quantity}`;
    if (this.#drawn?.view !== view) this.#zoomed = false;
    this.#drawn = { view, ids: row.map((c) => c.id) };
    const traces = [this.#rate(colour, row), this.#parentLine(colour, row, quantity), this.#rings(colour, row, curves)];
    row.forEach((candidate, i) => traces.push(this.#trace(candidate, curves[i], colour, quantity)));
    Plotly.react(this.#plot, traces, this.#layout(colour, row, curves, quantity, view), CONFIG);
    this.#say(row, quantity);
    this.#keys(row, curves, quantity);
  }

  #rate(colour, row) {
    const { config } = this.#store.search;
    const epochs = row[0]?.epochs ?? 1;
    const shares = Array.from({ length: 81 }, (_, i) => i / 80);
    return {
      x: shares.map((share) => share * epochs),
      y: shares.map((share) => rateAt(share, config)),
      mode: "lines", fill: "tozeroy", fillcolor: colour["lr-fill"], line: { color: colour["lr-line"], width: 1.25 },
      hoverinfo: "skip", visible: !this.#off.has("rate"),
    };
  }

  #parentLine(colour, row, quantity) {
    const parent = this.#parent;
    const has = parent?.val_accuracy != null && quantity === "accuracy";
    const y = has ? 100 * parent.val_accuracy : null;
    return {
      x: [0, row[0]?.epochs ?? 1], y: [y, y], yaxis: "y2", mode: "lines", hoverinfo: "skip",
      line: { color: colour["ink-2"], width: 1.5, dash: "6px,5px" }, visible: has && !this.#off.has("parent"),
    };
  }

  #rings(colour, row, curves) {
    const ends = this.#openEnds(row, curves);
    return {
      x: ends.map((end) => end.x), y: ends.map((end) => end.y), yaxis: "y2", mode: "markers", hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 15, line: { width: 1.5 }, color: ends.map((end) => colour[SERIES[end.number - 1].token]) },
    };
  }

  #trace(candidate, { x, y }, colour, quantity) {
    const number = this.#number(candidate);
    const { token, dash, symbol } = SERIES[number - 1];
    const on = this.#store.isPicked && candidate.id === this.#store.chosen.id;
    return {
      opacity: this.#alone && !on ? 0.35 : 1,
      x, y, yaxis: "y2", hoverinfo: "none", name: candidate.code, meta: candidate.id, visible: !this.#off.has(candidate.index),
      mode: quantity === "loss" || x.length > 120 ? "lines" : "lines+markers",
      line: { color: colour[token], width: on ? 3.5 : 2, dash },
      marker: { symbol, size: 7, color: colour[token], line: { width: 1, color: colour.surface } },
    };
  }

  #layout(colour, row, curves, quantity, view) {
    const epochs = row[0]?.epochs ?? 1;
    const { lambda_start: start } = this.#store.search.config;
    const wide = this.#wide;
    return {
      ...baseLayout(colour),
      uirevision: view,
      margin: { l: wide ? 44 : 34, r: wide ? 150 : 44, t: 34, b: 42 },
      xaxis: {
        ...axis(colour), range: [0, epochs * 1.005], showgrid: false, showline: true, ticks: "outside", ticklen: 4, nticks: wide ? 8 : 5,
        showspikes: true, spikemode: "across", spikesnap: "hovered data", spikethickness: 1, spikedash: "2px,3px", spikecolor: colour["ink-3"],
      },
      yaxis: {
        ...axis(colour), side: "right", range: [0, start * 1.04], showgrid: false, fixedrange: true,
        tickmode: "array", tickvals: [0, start / 2, start], visible: !this.#off.has("rate"),
      },
      yaxis2: { ...axis(colour), overlaying: "y", side: "left", range: this.#range(curves, row, quantity), nticks: 6, showgrid: true },
      annotations: this.#annotations(colour, row, curves, quantity),
    };
  }

  #range(curves, row, quantity) {
    const values = curves.filter((_, i) => !this.#off.has(row[i].index)).flatMap((c) => c.y);
    if (quantity === "loss") return [0, values.length ? 1.05 * Math.max(...values) : 1];
    const parent = this.#parent?.val_accuracy;
    return percentRange(parent == null ? values : [...values, 100 * parent]);
  }

  // ------------------------------------------------------------------ new points

  #extend() {
    const known = this.#drawn.ids;
    const quantity = this.#shown;
    const [indices, xs, ys] = [[], [], []];
    for (const [id, rows] of this.#pending) {
      const place = known.indexOf(id);
      if (place < 0) continue;
      const column = quantity === "loss" ? 2 : 4;
      const fresh = rows.filter((row) => row[column] !== null && !(row[1] === 0 && quantity === "accuracy"));
      if (fresh.length === 0) continue;
      indices.push(FIXED + place);
      xs.push(fresh.map((row) => row[1]));
      ys.push(fresh.map((row) => (quantity === "loss" ? row[2] : 100 * row[4])));
    }
    this.#pending.clear();
    if (indices.length === 0) return;
    Plotly.extendTraces(this.#plot, { x: xs, y: ys }, indices);
    this.#follow();
  }

  /** Labels, rings and range after new points; somebody's zoom is left alone. */
  #follow() {
    const colour = palette();
    const row = this.#row;
    const curves = row.map((candidate) => curve(this.#store, candidate, this.#shown));
    const rings = this.#rings(colour, row, curves);
    const layout = { annotations: this.#annotations(colour, row, curves, this.#shown) };
    if (!this.#zoomed) layout["yaxis2.range"] = this.#range(curves, row, this.#shown);
    Plotly.update(this.#plot, { x: [rings.x], y: [rings.y], "marker.color": [rings.marker.color] }, layout, [2]);
    this.#keys(row, curves, this.#shown);
  }

  #openEnds(row, curves) {
    return row.flatMap((candidate, i) => {
      const { x, y } = curves[i];
      const open = candidate.status === "running" && x.length > 0 && !this.#off.has(candidate.index);
      return open ? [{ candidate, number: this.#number(candidate), x: x.at(-1), y: y.at(-1) }] : [];
    });
  }

  // ------------------------------------------------------------------ words in the chart

  #annotations(colour, row, curves, quantity) {
    const ink = colour["ink-3"];
    const left = this.#wide ? -44 : -34;
    const notes = [
      caption(quantity === "loss" ? "training loss" : "validation accuracy, %", 0, "left", 1, left, 22, ink),
      caption("epochs of this training", 1, "right", 0, 0, -34, ink),
    ];
    if (!this.#off.has("rate")) notes.push(caption("learning rate", 1, this.#wide ? "left" : "right", 1, this.#wide ? 8 : 40, 22, ink));
    if (curves.every((c) => c.x.length < 2)) notes.push(this.#firstPoint(row, ink));
    for (const end of this.#openEnds(row, curves)) notes.push(this.#nowLabel(end, colour));
    return this.#wide ? [...notes, ...this.#endLabels(colour, row, curves, quantity)] : notes;
  }

  #firstPoint(row, color) {
    const running = row.find((c) => c.status === "running");
    const { n_train: images } = this.#store.search.dataset;
    const seconds = running?.images_per_second ? (images * (1 - (running.epoch % 1))) / running.images_per_second : null;
    const soon = seconds === null ? "" : seconds < 90 ? `, in about ${Math.max(1, Math.round(seconds))}\u202fs` : `, in ${about(seconds)}`;
    const text = row.length === 0 || !running ? "The curves begin when the training begins" : `The first point comes at the end of epoch 1${soon}`;
    return { text, x: 0.5, y: 0.5, xref: "paper", yref: "paper", showarrow: false, font: { size: 13, color } };
  }

  #nowLabel({ candidate, number, x, y }, colour) {
    const right = x > 0.8 * candidate.epochs;
    return {
      text: `${candidate.code} now`, x, y, xref: "x", yref: "y2", showarrow: false, xshift: right ? -14 : 14, yshift: -18, bgcolor: colour.surface, borderpad: 1,
      xanchor: right ? "right" : "left", font: { size: 13, weight: 600, color: colour[SERIES[number - 1].token] },
    };
  }

  /** Labels at the ends of the curves, moved apart, with thin lines that lead to them. */
  #endLabels(colour, row, curves, quantity) {
    const ends = row.flatMap((candidate, i) => {
      const { x, y } = curves[i];
      if (candidate.status === "running" || x.length < 2 || this.#off.has(candidate.index) || row.length > 12) return [];
      const value = quantity === "loss" ? y.at(-1).toFixed(3) : percent(y.at(-1) / 100, 1);
      const token = SERIES[this.#number(candidate) - 1].token;
      return [{ x: x.at(-1), y: y.at(-1), text: `${candidate.code}  ${value}`, color: colour[token] }];
    });
    const parent = this.#parent;
    if (parent?.val_accuracy != null && quantity === "accuracy" && !this.#off.has("parent")) {
      ends.push({ x: row[0].epochs, y: 100 * parent.val_accuracy, text: "parent", color: colour["ink-2"] });
    }
    return apart(ends, this.#pixelsPerUnit(curves, row, quantity)).map((end) => ({
      ...end, xref: "x", yref: "y2", xanchor: "left", align: "left", ax: 40, showarrow: true, arrowhead: 0, arrowwidth: 1,
      arrowcolor: colour["line-strong"], standoff: 5, font: { size: 13, weight: 600, color: end.color },
    }));
  }

  #pixelsPerUnit(curves, row, quantity) {
    const shown = this.#zoomed ? this.#plot.layout.yaxis2.range : this.#range(curves, row, quantity);
    return (this.#plot.clientHeight - 76) / (shown[1] - shown[0]);
  }

  #say(row, quantity) {
    const step = this.#store.step;
    const final = step > this.#store.nSteps;
    const title = step === 0 ? "Learning curve, pretraining" : final ? "Learning curve, final training" : `Learning curves, step ${step}`;
    setText(byId("curves-h"), title);
    const sub = final
      ? "On training + validation set together: there is no validation accuracy to show, only the loss."
      : step === 0 ? "model_0 from scratch: one cosine from lambda_start to lambda_end." : "Each child starts at its parent’s accuracy; it is judged when the rate has annealed.";
    setText(byId("curves-sub"), sub);
    const options = [["accuracy", "Accuracy"], ["loss", "Loss"]];
    const tools = segmented("Value", options, quantity, (value) => this.#switch(value));
    tools.firstChild.disabled = final;
    setChildrenKeepingFocus(byId("curves-tools"), tools);
    this.#plot.setAttribute("aria-label", `${title}: ${row.map((c) => `${c.code} ${percent(c.val_accuracy)}`).join(", ")}`);
  }

  #switch(quantity) {
    this.#quantity = quantity;
    this.#draw();
  }

  // ------------------------------------------------------------------ keys and the hover card

  #keys(row, curves, quantity) {
    const keys = row.map((candidate, i) => {
      const waits = candidate.status === "pending" ? ", waits" : "";
      const words = `${candidate.code}${isParentSlot(candidate) ? " parent" : ""}${waits}`;
      return this.#key(candidate.index, sample(this.#number(candidate)), words, curves[i].x.length === 0);
    });
    const parent = this.#parent;
    if (parent?.val_accuracy != null && quantity === "accuracy") {
      keys.push(this.#key("parent", parentSample(), `parent ${parent.code}, ${percent(parent.val_accuracy)}`, false));
    }
    keys.push(this.#key("rate", rateSample(), "learning rate", false));
    setChildrenKeepingFocus(byId("curves-keys"), ...keys);
  }

  #key(place, picture, words, disabled) {
    const toggle = () => {
      if (!this.#off.delete(place)) this.#off.add(place);
      this.#draw();
    };
    const button = h("button", { type: "button", class: "series-key", "data-key": place, "aria-pressed": String(!this.#off.has(place)), disabled, onclick: toggle }, picture, words);
    return h("li", null, button);
  }

  #card(point) {
    const candidate = this.#store.candidates.get(point.data.meta);
    if (!candidate) return;
    const card = byId("curves-card");
    const value = this.#shown === "loss" ? `loss ${point.y.toFixed(3)}` : percent(point.y / 100);
    const morphisms = candidate.morphisms.map((m) => h("li", null, icon(m.kind), m.words));
    const name = isParentSlot(candidate) ? `${candidate.code}, the parent` : candidate.code;
    setChildren(
      card,
      h("p", { class: "card-head" }, h("strong", null, `${name} at epoch ${Number(point.x.toFixed(2))}`), h("strong", { class: "num" }, value)),
      h("ul", { class: "ops" }, morphisms),
    );
    card.hidden = false;
    const { x0, x1, y1 } = point.bbox;
    const left = x1 + 14 + card.offsetWidth > this.#plot.clientWidth ? x0 - 14 - card.offsetWidth : x1 + 14;
    const top = Math.min(y1 + 10, this.#plot.clientHeight - card.offsetHeight - 4);
    card.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
}

/** Gives every end an `ay` so that labels stand at least LABEL_GAP px apart, in the order of their values. */
function apart(ends, pixelsPerUnit) {
  let lowest = -Infinity;
  return [...ends]
    .sort((a, b) => b.y - a.y)
    .map((end) => {
      const wanted = -end.y * pixelsPerUnit;
      lowest = Math.max(wanted, lowest + LABEL_GAP);
      return { ...end, ay: lowest - wanted };
    });
}

/** Replaces children and puts the focus back on the button that had it. */
function setChildrenKeepingFocus(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? [...parent.querySelectorAll("button")].indexOf(document.activeElement) : -1;
  parent.replaceChildren(...children);
  if (focused >= 0) parent.querySelectorAll("button")[focused]?.focus();
}
