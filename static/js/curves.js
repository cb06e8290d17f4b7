// The learning curves of one step: its children, the rate that anneals, the parent's accuracy as the line to beat.
// New points extend their traces; the chart is only laid out anew when what is on show, an axis or the theme changes.

import { byId, h, icon, oncePerFrame, onThemeChange, replaceKeepingFocus, segmented, setChildren, setText } from "./dom.js";
import { offerData } from "./data.js";
import { CONFIG, axis, baseLayout, palette, percentRange } from "./figure.js";
import { percent } from "./format.js";
import { MARGIN, annotations, openEnds } from "./labels.js";
import { SERIES, UNITS, constantRate, curve, parentSample, pointTable, rateAt, rateSample, sample, secondsOf, seriesNumber } from "./series.js";
import { isComparison, isParentSlot } from "./state.js";

const MOST_KEYS = 16;
const FIXED = 3; // traces that stand before the children's: rate, parent, rings of those that train

export class Curves {
  #store;
  #alone;
  #plot = byId("curves-plot");
  #quantity = "accuracy";
  #by = "epoch";
  #off = new Set(); // places j, "parent", "rate" that are switched off
  #zoomed = false;
  #drawn = { name: "", traces: "", states: "" };
  #draw = oncePerFrame(() => this.#layOut());
  #grow = oncePerFrame(() => this.#follow());

  /** `alone`: one candidate's page, where the others of its step stand back. */
  constructor(store, { alone = false } = {}) {
    this.#store = store;
    this.#alone = alone;
    this.#layOut();
    offerData("curves", () => this.#data());
    store.listen((changed) => this.#hear(changed));
    onThemeChange(this.#draw);
    new ResizeObserver(this.#draw).observe(this.#plot);
    this.#plot.on("plotly_relayout", (update) => {
      if (!("annotations" in update)) this.#zoomed = Object.keys(update).some((key) => key.includes(".range"));
    });
    this.#plot.on("plotly_doubleclick", () => {
      this.#zoomed = false;
      this.#draw();
    });
    this.#plot.on("plotly_hover", (event) => this.#card(event.points[0]));
    this.#plot.on("plotly_unhover", () => (byId("curves-card").hidden = true));
  }

  #hear(changed) {
    if (changed.choice) this.#draw();
    else if (changed.points.size || changed.candidates.size || changed.search) this.#grow();
  }

  /** The candidates on show. Comparisons have nothing in common that would be worth seeing on the page of one. */
  #row() {
    const store = this.#store;
    return this.#alone && isComparison(store.chosen) ? [store.chosen] : store.row(store.step);
  }

  /** What is on show: the candidates of a row, their curves, and all that the words in the chart depend on. */
  #view() {
    const store = this.#store;
    const row = this.#row();
    const places = row.map((candidate) => store.place(candidate));
    const epochs = Math.max(1, ...row.map((candidate) => candidate.epochs));
    const quantity = store.step > store.nSteps ? "loss" : this.#quantity; // the final training has no validation set
    const parent = row[0]?.kind === "neighbour" ? store.parentOf(row[0]) : null;
    const longest = Math.max(0, ...row.map((candidate) => secondsOf(store, candidate) ?? 0));
    const [unit, unitName] = this.#by === "epoch" ? [null, "epochs"] : UNITS.find(([seconds]) => longest >= 4 * seconds) ?? UNITS.at(-1);
    const together = quantity === "loss" && row.length > 1 && isComparison(row[0]);
    const view = {
      row,
      places,
      quantity,
      epochs,
      unit,
      unitName,
      xTitle: `${unitName} of this training`,
      width: unit === null ? epochs : longest / unit || 1, // where the x axis ends
      log: together, // what begins afresh begins a hundred times above where the others are
      rate: row.every((candidate) => candidate.epochs === epochs), // cycles of different lengths have no common rate to draw
      constant: constantRate(row[0]?.kind, store.search.config),
      parent: parent?.val_accuracy == null ? null : parent,
      curves: row.map((candidate) => curve(store, candidate, quantity, unit)),
      numbers: row.map((candidate, i) => seriesNumber(candidate, places[i], store.chosen)),
      off: this.#off,
      wide: this.#plot.clientWidth >= 560,
      images: store.search.dataset.n_train,
      name: `${store.step} ${quantity} ${unit}`,
    };
    view.traces = [view.name, ...row.map((candidate, i) => `${candidate.id}:${view.numbers[i]}`)].join(" ");
    view.states = row.map((candidate) => candidate.status).join();
    view.y = (value) => (view.log ? Math.log10(Math.max(value, 1e-6)) : value); // where a value stands on the axis
    view.range = this.#zoomed && view.name === this.#drawn.name ? this.#plot.layout.yaxis2.range : rangeOf(view);
    const { t, b } = view.wide ? MARGIN.wide : MARGIN.narrow;
    view.pixelsPerUnit = (this.#plot.clientHeight - t - b) / (view.range[1] - view.range[0]);
    return view;
  }

  // ------------------------------------------------------------------ the whole chart

  #layOut() {
    const view = this.#view();
    const colour = palette();
    if (this.#drawn.name !== view.name) this.#zoomed = false;
    this.#drawn = view;
    const fixed = [this.#rate(view, colour), this.#parentLine(view, colour), rings(view, colour)];
    const traces = view.row.map((candidate, i) => this.#trace(candidate, view, i, colour));
    Plotly.react(this.#plot, [...fixed, ...traces], this.#layout(view, colour), CONFIG);
    this.#say(view);
    this.#keys(view);
  }

  #rate({ width, constant, rate }, colour) {
    const { config } = this.#store.search;
    const shares = Array.from({ length: 81 }, (_, i) => i / 80);
    return {
      x: shares.map((share) => share * width), y: shares.map((share) => constant ?? rateAt(share, config)),
      mode: "lines", fill: "tozeroy", fillcolor: colour["lr-fill"], line: { color: colour["lr-line"], width: 1.25 },
      hoverinfo: "skip", visible: rate && !this.#off.has("rate"),
    };
  }

  #parentLine({ width, parent, quantity }, colour) {
    const shown = parent !== null && quantity === "accuracy";
    const y = shown ? 100 * parent.val_accuracy : null;
    return {
      x: [0, width], y: [y, y], yaxis: "y2", mode: "lines", hoverinfo: "skip",
      line: { color: colour["ink-2"], width: 1.5, dash: "6px,5px" }, visible: shown && !this.#off.has("parent"),
    };
  }

  #trace(candidate, { curves, numbers, places, quantity }, i, colour) {
    const { x, y } = curves[i];
    const { token, dash, symbol } = SERIES[numbers[i] - 1];
    const on = this.#store.isPicked && candidate.id === this.#store.chosen.id;
    return {
      x, y, yaxis: "y2", hoverinfo: "none", name: candidate.code, meta: candidate.id, visible: !this.#off.has(places[i]),
      opacity: this.#alone && !on ? 0.35 : 1,
      mode: quantity === "loss" || x.length > 120 ? "lines" : "lines+markers",
      line: { color: colour[token], width: on ? 3.5 : 2, dash },
      marker: { symbol, size: 7, color: colour[token], line: { width: 1, color: colour.surface } },
    };
  }

  #layout(view, colour) {
    const start = view.constant ?? this.#store.search.config.lambda_start;
    return {
      ...baseLayout(colour),
      uirevision: view.name,
      margin: view.wide ? MARGIN.wide : MARGIN.narrow,
      xaxis: {
        ...axis(colour), range: [0, view.width * 1.005], showgrid: false, showline: true, ticks: "outside", ticklen: 4, nticks: view.wide ? 8 : 5,
        showspikes: true, spikemode: "across", spikesnap: "hovered data", spikethickness: 1, spikedash: "2px,3px", spikecolor: colour["ink-3"],
      },
      yaxis: {
        ...axis(colour), side: "right", range: [0, start * 1.04], showgrid: false, fixedrange: true,
        tickmode: "array", tickvals: [0, start / 2, start], visible: view.rate && !this.#off.has("rate"),
      },
      yaxis2: { ...axis(colour), ...(view.log ? LOGARITHMIC : { type: "linear", nticks: 6 }), overlaying: "y", side: "left", range: view.range, showgrid: true },
      annotations: annotations(view, colour),
    };
  }

  // ------------------------------------------------------------------ new points

  /** What is new of the curves, appended to their traces; labels, rings and ranges. Somebody's zoom is left alone. */
  #follow() {
    const view = this.#view();
    const shown = this.#plot.data.slice(FIXED).map((trace) => trace.x.length);
    if (view.traces !== this.#drawn.traces || view.curves.some((c, i) => c.x.length < shown[i])) {
      this.#layOut();
      return;
    }
    const longer = view.curves.map((_, i) => i).filter((i) => view.curves[i].x.length > shown[i]);
    if (longer.length === 0 && view.states === this.#drawn.states) return;
    const fresh = (axis) => longer.map((i) => view.curves[i][axis].slice(shown[i]));
    if (longer.length) Plotly.extendTraces(this.#plot, { x: fresh("x"), y: fresh("y") }, longer.map((i) => FIXED + i));
    this.#drawn = view;
    const colour = palette();
    const fixed = [this.#rate(view, colour), this.#parentLine(view, colour), rings(view, colour)];
    const layout = { annotations: annotations(view, colour) };
    if (!this.#zoomed) Object.assign(layout, { "yaxis2.range": view.range, "xaxis.range": [0, view.width * 1.005] });
    const places = view.unit === null ? [FIXED - 1] : [0, 1, 2]; // by time the axis grows, and what spans it
    const given = (values) => places.map((i) => values(fixed[i]));
    const update = { x: given((trace) => trace.x), y: given((trace) => trace.y), "marker.color": given((trace) => trace.marker?.color) };
    Plotly.update(this.#plot, update, layout, places); // a ring has its colour from the first
    this.#say(view);
    this.#keys(view);
  }

  // ------------------------------------------------------------------ around the chart

  #say({ row, quantity }) {
    const { step, nSteps } = this.#store;
    const final = step > nSteps;
    const title = this.#title();
    setText(byId("curves-h"), title);
    setText(byId("curves-sub"), this.#subtitle());
    const tools = segmented("Value", [["accuracy", "Accuracy"], ["loss", "Loss"]], quantity, (value) => {
      this.#quantity = value;
      this.#draw();
    });
    tools.firstChild.disabled = final;
    const by = segmented("Against", [["epoch", "By epoch"], ["time", "By time"]], this.#by, (value) => {
      this.#by = value;
      this.#draw();
    });
    replaceKeepingFocus(byId("curves-tools"), tools, by);
    this.#plot.setAttribute("aria-label", `${title}: ${row.map((c) => `${c.code} ${percent(c.val_accuracy)}`).join(", ")}`);
  }

  #title() {
    const { step, nSteps, comparisonRow } = this.#store;
    if (step === comparisonRow && this.#alone) return "Learning curve";
    if (step === 0) return "Learning curve, pretraining";
    if (step === comparisonRow) return "Learning curves, comparisons";
    return step > nSteps ? "Learning curve, final training" : `Learning curves, step ${step}`;
  }

  #subtitle() {
    const { step, nSteps, comparisonRow, search } = this.#store;
    if (step === 0) return "model_0 from scratch: one cosine from lambda_start to lambda_end.";
    if (step === comparisonRow && !this.#alone) return "On training + validation set together, each with a cosine of its own length: there is only the loss to show.";
    if (step > nSteps) return "On training + validation set together: there is no validation accuracy to show, only the loss.";
    const { network_morphism: morphism, neighbour_rate: rate } = search.config;
    const begins = morphism ? "Each child starts at its parent’s accuracy" : "New and modified layers of a child begin afresh, the others as its parent’s";
    return `${begins}; ${rate === null ? "it is judged when the rate has annealed." : `the rate stays at ${rate}.`}`;
  }

  #keys({ row, curves, numbers, places, rate, parent, quantity }) {
    const keys = row.flatMap((candidate, i) => {
      if (row.length > MOST_KEYS && !this.#isNamed(candidate)) return [];
      const words = `${candidate.code}${isParentSlot(candidate) ? " parent" : ""}${candidate.status === "pending" ? ", waits" : ""}`;
      return this.#key(places[i], sample(numbers[i]), words, curves[i].x.length === 0);
    });
    if (parent && quantity === "accuracy") keys.push(this.#key("parent", parentSample(), `parent ${parent.code}, ${percent(parent.val_accuracy)}`, false));
    if (rate) keys.push(this.#key("rate", rateSample(), "learning rate", false));
    replaceKeepingFocus(byId("curves-keys"), ...keys);
  }

  /** In a row of very many only those that matter now have a key. */
  #isNamed(candidate) {
    const { chosen, step } = this.#store;
    return candidate.status === "running" || candidate.winner || candidate.id === chosen?.id || candidate.id === this.#store.leaderOf(step)?.id;
  }

  #key(place, picture, words, disabled) {
    const toggle = () => {
      if (!this.#off.delete(place)) this.#off.add(place);
      this.#draw();
    };
    const button = h("button", { type: "button", class: "series-key", "aria-pressed": String(!this.#off.has(place)), disabled, onclick: toggle }, picture, words);
    return h("li", null, button);
  }

  /** Every point of the curves on show, as the page has it. */
  #data() {
    return { title: this.#title(), ...pointTable(this.#store, this.#row()) };
  }

  #card(point) {
    const candidate = this.#store.candidates.get(point.data.meta);
    if (!candidate) return;
    const card = byId("curves-card");
    const { quantity, unit, unitName } = this.#drawn;
    const value = quantity === "loss" ? `loss ${point.y.toFixed(3)}` : percent(point.y / 100);
    const name = isParentSlot(candidate) ? `${candidate.code}, the parent` : candidate.code;
    setChildren(
      card,
      h("p", { class: "card-head" }, h("strong", null, `${name} at ${unit === null ? `epoch ${Number(point.x.toFixed(2))}` : `${point.x.toFixed(2)} ${unitName}`}`), h("strong", { class: "num" }, value)),
      h("ul", { class: "ops" }, candidate.morphisms.map((m) => h("li", null, icon(m.kind), m.words))),
    );
    card.hidden = false;
    const { x0, x1, y1 } = point.bbox;
    const left = x1 + 14 + card.offsetWidth > this.#plot.clientWidth ? x0 - 14 - card.offsetWidth : x1 + 14;
    const top = Math.min(y1 + 10, this.#plot.clientHeight - card.offsetHeight - 4);
    card.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
}

/** A ring at the newest point of each candidate that trains. */
function rings({ row, curves, numbers, places, off }, colour) {
  const ends = openEnds(row.map((candidate, i) => ({ candidate, number: numbers[i], ...curves[i] })).filter((_, i) => !off.has(places[i])));
  return {
    x: ends.map((end) => end.x.at(-1)), y: ends.map((end) => end.y.at(-1)), yaxis: "y2", mode: "markers", hoverinfo: "skip",
    marker: { symbol: "circle-open", size: 15, line: { width: 1.5 }, color: ends.length ? ends.map((end) => colour[SERIES[end.number - 1].token]) : colour.ink },
  };
}

const LOGARITHMIC = { type: "log", tickmode: "linear", dtick: 1, exponentformat: "none" };

function rangeOf({ places, curves, off, parent, quantity, log, y }) {
  const values = curves.filter((_, i) => !off.has(places[i])).flatMap((c) => c.y);
  if (log) return values.length ? [y(0.8 * Math.min(...values)), y(1.3 * Math.max(...values))] : [-2, 1];
  if (quantity === "loss") return [0, values.length ? 1.05 * Math.max(...values) : 1];
  return percentRange(parent ? [...values, 100 * parent.val_accuracy] : values);
}
