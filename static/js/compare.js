// Searches side by side: three charts over the JSON of the page. A group has a colour, a dash and a marker.

import { offerData } from "./data.js";
import { byId, onThemeChange, oncePerFrame, setText } from "./dom.js";
import { CONFIG, axis, baseLayout, caption, palette, percentRange } from "./figure.js";
import { percent, short } from "./format.js";
import { SERIES, sample } from "./series.js";
import { meanAndSpread } from "./spread.js";

const { searches, groups } = JSON.parse(byId("compared").textContent);
const COSTS = {
  compute: { title: "MACs × images × epochs so far", words: "Forward passes of every training up to the step, losers too." },
  seconds: { title: "seconds of training so far", words: "Of every training up to the step, losers too, on any device." },
};
let cost = "compute";

const membersOf = (group) => searches.filter((search) => search.number === group.number);
const series = (group) => SERIES[group.number - 1];

for (const item of document.querySelectorAll("#groups > li")) item.prepend(sample(Number(item.dataset.number)));
for (const place of document.querySelectorAll(".series-of")) place.append(sample(Number(place.dataset.number)));

// ------------------------------------------------------------------ the rows of each chart

/** Of each group and step: mean, spread, and how many searches have a winner there. */
const bestOf = (group) => meanAndSpread(membersOf(group).map((search) => search.steps.map((step) => step.val_accuracy)));

// ------------------------------------------------------------------ drawing

/** A log axis over these values, with 1, 2 and 5 of a decade written where there is room for them. */
function logAxis(values, title, colour) {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  if (!logs.length) return {};
  const room = Math.max(0.05, 0.06 * (Math.max(...logs) - Math.min(...logs)));
  const range = [Math.min(...logs) - room, Math.max(...logs) + room];
  const steps = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]];
  const ticksOf = (of) => {
    const decades = Array.from({ length: Math.ceil(range[1]) - Math.floor(range[0]) + 1 }, (_, i) => Math.floor(range[0]) + i);
    return decades.flatMap((decade) => of.map((digit) => digit * 10 ** decade)).filter((tick) => Math.log10(tick) >= range[0] && Math.log10(tick) <= range[1]);
  };
  const ticks = steps.map(ticksOf).find((found) => found.length <= 6) ?? ticksOf([1]).filter((_, i) => i % 2 === 0);
  return { type: "log", range, tickmode: "array", tickvals: ticks, ticktext: ticks.map(shortTick), title: { text: title, font: { size: 12, color: colour["ink-3"] }, standoff: 8 } };
}

/** "20 k" rather than "20.0 k". */
const shortTick = (value) => (value < 10 ? String(Number(value.toPrecision(2))) : short(value).replace(/\.0+(?=\D|$)/, "").replace(/(\.\d*?)0+(?=\D)/, "$1"));

const chart = (id, traces, xaxis, yaxis, colour, above) =>
  Plotly.react(
    byId(`${id}-plot`),
    traces,
    {
      ...baseLayout(colour),
      uirevision: id,
      margin: { l: 40, r: 16, t: 34, b: 44 },
      hoverlabel: { bgcolor: colour.surface, bordercolor: colour["line-strong"], font: { color: colour.ink } },
      xaxis: { ...axis(colour), ...xaxis },
      yaxis: { ...axis(colour), nticks: 6, ...yaxis },
      annotations: [caption(above, 0, "left", 1, -40, 22, colour["ink-3"])],
    },
    CONFIG,
  );

function drawBest(colour) {
  const traces = [];
  const values = [];
  for (const group of groups) {
    const { token, dash, symbol } = series(group);
    const rows = bestOf(group);
    const several = rows.filter((row) => row.n > 1);
    const x = several.map((row) => row.step);
    const low = several.map((row) => 100 * (row.mean - 2 * row.sigma));
    const high = several.map((row) => 100 * (row.mean + 2 * row.sigma));
    if (several.length) {
      traces.push({
        x: [...x, ...x.toReversed()], y: [...high, ...low.toReversed()], mode: "lines", fill: "toself", line: { width: 0 },
        fillcolor: colour[token].replace("rgb(", "rgba(").replace(")", ", 0.16)"), hoverinfo: "skip",
      });
    }
    traces.push({
      x: rows.map((row) => row.step), y: rows.map((row) => 100 * row.mean), mode: "lines+markers", name: group.name,
      line: { color: colour[token], width: 2, dash }, marker: { symbol, size: 8, color: colour[token], line: { width: 1, color: colour.surface } },
      customdata: rows.map((row) => `${group.name}<br>${row.step === 0 ? "model_0" : `step ${row.step}`}: ${percent(row.mean)}${row.n > 1 ? ` ± ${(200 * row.sigma).toFixed(2)} points (2σ), ${row.n} searches` : ""}`),
      hovertemplate: "%{customdata}<extra></extra>",
    });
    values.push(...rows.map((row) => 100 * row.mean), ...low, ...high);
  }
  const last = Math.max(1, ...searches.map((search) => search.steps.length - 1));
  const every = Math.max(1, Math.ceil((last + 1) / 6));
  const ticks = Array.from({ length: last + 1 }, (_, step) => step).filter((step) => step % every === 0);
  const x = { range: [-0.3, last + 0.3], tickmode: "array", tickvals: ticks, ticktext: ticks.map((step) => (step === 0 ? "model_0" : `step ${step}`)), tickangle: 0, showgrid: false };
  chart("best", traces, x, { range: percentRange(values) }, colour, "validation accuracy, %");
  byId("best-plot").setAttribute("aria-label", `Best validation accuracy of each step. ${groups.map((g) => `${g.name}: ${bestOf(g).map((row) => percent(row.mean)).join(", ") || "none yet"}`).join(". ")}`);
}

function drawCost(colour) {
  const traces = searches.map((search) => {
    const { token, dash, symbol } = SERIES[search.number - 1];
    return {
      x: search.steps.map((step) => step[cost]), y: search.steps.map((step) => 100 * step.val_accuracy), mode: "lines+markers",
      line: { color: colour[token], width: 2, dash }, marker: { symbol, size: 8, color: colour[token], line: { width: 1, color: colour.surface } },
      customdata: search.steps.map((step) => `${search.name}<br>${step.code}: ${percent(step.val_accuracy)}`),
      hovertemplate: "%{customdata}<br>%{x:.4s}<extra></extra>",
    };
  });
  chart("cost", traces, logAxis(searches.flatMap((search) => search.steps.map((step) => step[cost])), `${COSTS[cost].title}, log scale`, colour), {}, colour, "validation accuracy, %");
  setText(byId("cost-sub"), COSTS[cost].words);
  byId("cost-plot").setAttribute("aria-label", `Validation accuracy against ${COSTS[cost].title}; the data table has the values`);
}

function drawSize(colour) {
  const traces = searches.flatMap((search) => {
    const { token, dash, symbol } = SERIES[search.number - 1];
    const losers = search.trainings.filter((training) => !training.winner);
    const trace = (trainings, more) => ({
      x: trainings.map((t) => t.n_parameters), y: trainings.map((t) => 100 * t.val_accuracy),
      customdata: trainings.map((t) => `${search.name}<br>${t.code}: ${percent(t.val_accuracy)}, ${t.n_parameters.toLocaleString("en-GB")} parameters`),
      hovertemplate: "%{customdata}<extra></extra>", ...more,
    });
    return [
      trace(losers, { mode: "markers", marker: { symbol: `${symbol}-open`, size: 6, color: colour[token], opacity: 0.7 } }),
      trace(search.steps, { mode: "lines+markers", line: { color: colour[token], width: 1.5, dash }, marker: { symbol, size: 9, color: colour[token], line: { width: 1, color: colour.surface } } }),
    ];
  });
  chart("size", traces, logAxis(searches.flatMap((search) => search.trainings.map((t) => t.n_parameters)), "parameters, log scale", colour), {}, colour, "validation accuracy, %");
  byId("size-plot").setAttribute("aria-label", "Validation accuracy against parameters of every network trained in the steps; the data table has the values");
}

const draw = oncePerFrame(() => {
  const colour = palette();
  drawBest(colour);
  drawCost(colour);
  drawSize(colour);
});

for (const name of Object.keys(COSTS)) {
  byId(`by-${name}`).addEventListener("click", () => {
    cost = name;
    for (const other of Object.keys(COSTS)) byId(`by-${other}`).setAttribute("aria-pressed", String(other === name));
    draw();
  });
}
onThemeChange(draw);
draw();

// ------------------------------------------------------------------ the numbers

offerData("best", () => ({
  title: "Best of each step",
  columns: ["group", "step", "mean validation accuracy", "sigma", "searches"],
  rows: groups.flatMap((group) => bestOf(group).map((row) => [group.name, row.step, row.mean, row.n > 1 ? row.sigma : null, row.n])),
}));
offerData("cost", () => ({
  title: "Accuracy against compute",
  columns: ["search", "step", "network", "validation accuracy", "MACs x images x epochs", "seconds"],
  rows: searches.flatMap((search) => search.steps.map((step) => [search.name, step.step, step.code, step.val_accuracy, step.compute, step.seconds])),
}));
offerData("size", () => ({
  title: "Accuracy against parameters",
  columns: ["search", "step", "network", "parameters", "validation accuracy", "winner"],
  rows: searches.flatMap((search) => search.trainings.map((t) => [search.name, t.step, t.code, t.n_parameters, t.val_accuracy, t.winner ? "yes" : "no"])),
}));
offerData("results", () => ({
  title: "Results",
  columns: ["search", "data set", "seed", "state", "test error", "validation accuracy", "parameters", "MACs", "epochs", "MACs x images x epochs", "seconds"],
  rows: searches.map((s) => [s.name, s.dataset, s.seed, s.status, s.test_error, s.val_accuracy, s.n_parameters, s.n_macs, s.epochs, s.compute, s.seconds]),
}));
