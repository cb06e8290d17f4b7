// The best of each step, in the form of the paper's Figure 2; a best that falls is drawn falling.

import { byId, h, oncePerFrame, onThemeChange, setChildren } from "./dom.js";
import { offerData } from "./data.js";
import { CONFIG, axis, baseLayout, caption, palette, percentRange } from "./figure.js";
import { interval, percent } from "./format.js";
import { hasEnded } from "./state.js";

export class Best {
  #store;
  #plot = byId("best-plot");
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    this.#show();
    offerData("best", () => this.#data());
    store.listen((changed) => (changed.search || changed.candidates.size) && this.#draw());
    onThemeChange(this.#draw);
    new ResizeObserver(this.#draw).observe(this.#plot);
  }

  /** One point a step: the winner; the open step's leader comes last, hollow. */
  #points() {
    const { nSteps, search } = this.#store;
    const points = [];
    for (let row = 0; row <= Math.min(nSteps, this.#store.openRow); row += 1) {
      const winner = this.#store.winnerOf(row);
      const candidate = winner ?? this.#store.leaderOf(row);
      if (!candidate || candidate.val_accuracy === null) break;
      const [low, high] = interval(candidate.val_accuracy, search.dataset.n_validation);
      points.push({ row, candidate, decided: winner !== null, low, high, value: candidate.val_accuracy });
    }
    return points;
  }

  #data() {
    const rows = this.#points().map(({ row, candidate: c, decided, value, low, high }) => [row, c.code, decided ? "decided" : "open", value, low, high, c.n_parameters, c.n_macs]);
    return { title: "Best of each step", columns: ["step", "candidate", "state", "validation accuracy", "95 % low", "95 % high", "parameters", "MACs"], rows };
  }

  #show() {
    const colour = palette();
    const points = this.#points();
    const decided = points.filter((point) => point.decided);
    const traces = [this.#line(decided, colour, "solid")];
    if (points.length > decided.length && decided.length) traces.push(this.#line([decided.at(-1), points.at(-1)], colour, "6px,4px", true));
    traces.push(this.#dots(points, colour));
    if (points.length <= 7) traces.push(this.#values(points, colour));
    Plotly.react(this.#plot, traces, this.#layout(points, colour), CONFIG);
    const words = points.map((p) => `${this.#name(p)} ${percent(p.value)}`).join(", ");
    this.#plot.setAttribute("aria-label", `Best validation accuracy of each step: ${words || "none yet"}`);
    setChildren(byId("best-note"), this.#note());
  }

  #name({ row, decided }) {
    return row === 0 ? "model_0" : `step ${row}${decided ? "" : " so far"}`;
  }

  #line(points, colour, dash, open = false) {
    return {
      x: points.map((p) => p.row), y: points.map((p) => 100 * p.value), mode: "lines", hoverinfo: "skip",
      line: { color: open ? colour["ink-3"] : colour.ink, width: 2, dash },
    };
  }

  #dots(points, colour) {
    return {
      x: points.map((p) => p.row),
      y: points.map((p) => 100 * p.value),
      mode: "markers",
      customdata: points.map((p) => `${p.candidate.code}, ${this.#name(p)}: ${percent(p.value)}`),
      hovertemplate: "%{customdata}<extra></extra>",
      error_y: {
        type: "data", symmetric: false, array: points.map((p) => 100 * (p.high - p.value)), arrayminus: points.map((p) => 100 * (p.value - p.low)),
        color: colour["ink-2"], thickness: 1.5, width: 5,
      },
      marker: {
        size: 10,
        color: points.map((p) => (p.decided ? colour.accent : colour.surface)),
        line: { width: points.map((p) => (p.decided ? 1.5 : 2)), color: points.map((p) => (p.decided ? colour.surface : colour.accent)) },
      },
    };
  }

  /** The value over each whisker. */
  #values(points, colour) {
    return {
      x: points.map((p) => p.row), y: points.map((p) => 100 * p.high), mode: "markers+text", marker: { size: 8, opacity: 0 }, hoverinfo: "skip", cliponaxis: false,
      text: points.map((p) => (100 * p.value).toFixed(2)), textposition: "top center", textfont: { size: 13, color: colour.ink },
    };
  }

  #layout(points, colour) {
    const last = Math.min(this.#store.nSteps, Math.max(1, this.#store.openRow));
    const every = Math.max(1, Math.ceil((last + 1) / 6));
    const rows = Array.from({ length: last + 1 }, (_, row) => row).filter((row) => row % every === 0);
    const [bottom, top] = percentRange(points.flatMap((p) => [100 * p.low, 100 * p.high]));
    return {
      ...baseLayout(colour),
      uirevision: "best",
      margin: { l: 38, r: 14, t: 34, b: 30 },
      dragmode: false,
      hoverlabel: { bgcolor: colour.surface, bordercolor: colour["line-strong"], font: { color: colour.ink } },
      xaxis: {
        ...axis(colour), range: [-0.35, last + 0.35], showgrid: false, fixedrange: true,
        tickmode: "array", tickvals: rows, ticktext: rows.map((row) => (row === 0 ? "model_0" : `step ${row}`)), tickangle: 0,
      },
      yaxis: { ...axis(colour), range: [bottom, Math.min(top, 100) + (top - bottom) * 0.12], nticks: 5, fixedrange: true },
      annotations: [
        caption("validation accuracy, %", 0, "left", 1, -38, 22, colour["ink-3"]),
        ...(points.length ? [] : [{ ...caption("Known when the pretraining has ended", 0.5, "center", 0.5, 0, 0, colour["ink-2"]), bgcolor: colour.surface, borderpad: 4 }]),
      ],
    };
  }

  #note() {
    const n = this.#store.search.dataset.n_validation.toLocaleString("en-GB");
    const { openRow } = this.#store;
    const isOver = this.#store.row(openRow).every(hasEnded);
    const open = this.#store.leaderOf(openRow) && openRow > 0 ? ` The hollow dot ${isOver ? "led its step, which was not decided" : "leads its step, which is still open"}.` : "";
    return h("span", null, `Bars: 95\u202f% interval of ${n} validation images.${open} The test set is not looked at before the end.`);
  }
}
