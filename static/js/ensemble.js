// The page of one ensemble: its error by number of members as a chart, its numbers as data, deleting asks first.

import { confirmForms } from "./confirm.js";
import { offerData } from "./data.js";
import { byId, onThemeChange, oncePerFrame } from "./dom.js";
import { CONFIG, axis, baseLayout, caption, palette, percentRange } from "./figure.js";
import { percent } from "./format.js";

const EVERY = 2000;
const facts = () => JSON.parse(byId("facts").textContent); // fetched anew with the region once a job has ended

// ------------------------------------------------------------------ the chart

const faint = (rgb) => rgb.replace("rgb(", "rgba(").replace(")", ", 0.16)");
const per = (share) => 100 * share;

/** The range from the best to the worst subset of each size, and their mean. */
function subsetTraces(subsets, colour) {
  const x = subsets.map((row) => row.size);
  const [best, worst] = [subsets.map((row) => per(row.best)), subsets.map((row) => per(row.worst))];
  return [
    { x: [...x, ...x.toReversed()], y: [...worst, ...best.toReversed()], mode: "lines", fill: "toself", line: { width: 0 }, fillcolor: faint(colour.s2), hoverinfo: "skip" },
    {
      x, y: subsets.map((row) => per(row.mean)), mode: "lines", line: { color: colour.s2, width: 2, dash: "dash" },
      customdata: subsets.map((row) => `mean over all subsets of ${row.size}: ${percent(row.mean)}<br>best ${percent(row.best)}, worst ${percent(row.worst)}`),
      hovertemplate: "%{customdata}<extra></extra>",
    },
  ];
}

function orderTrace(order, members, colour) {
  const whisker = order.map((point) => [per(point.interval[1] - point.error), per(point.error - point.interval[0])]);
  return {
    x: order.map((point) => point.size), y: order.map((point) => per(point.error)), mode: "lines+markers",
    line: { color: colour.s1, width: 2 }, marker: { size: 9, color: colour.s1, line: { width: 1, color: colour.surface } },
    error_y: { type: "data", symmetric: false, array: whisker.map((w) => w[0]), arrayminus: whisker.map((w) => w[1]), color: colour.s1, thickness: 1, width: 4 },
    customdata: order.map((point, i) => `${i === 0 ? members[0].name : `with ${members[i].name}`}<br>${percent(point.error)} (${percent(point.interval[0], 1)} to ${percent(point.interval[1], 1)})`),
    hovertemplate: "%{customdata}<extra></extra>",
  };
}

const draw = oncePerFrame(() => {
  const plot = byId("curve-plot");
  if (!plot) return; // not measured yet
  const { order, subsets, members } = facts();
  const colour = palette();
  const shown = [...order.flatMap((point) => point.interval), ...(subsets ?? []).flatMap((row) => [row.best, row.worst])];
  const sizes = order.map((point) => point.size);
  Plotly.react(
    plot,
    [...(subsets ? subsetTraces(subsets, colour) : []), orderTrace(order, members, colour)],
    {
      ...baseLayout(colour),
      uirevision: "curve",
      margin: { l: 44, r: 16, t: 34, b: 46 },
      hoverlabel: { bgcolor: colour.surface, bordercolor: colour["line-strong"], font: { color: colour.ink } },
      xaxis: { ...axis(colour), range: [0.7, sizes.length + 0.3], tickmode: "array", tickvals: sizes, showgrid: false, title: { text: "members", font: { size: 12, color: colour["ink-3"] } } },
      yaxis: { ...axis(colour), nticks: 6, range: percentRange(shown.map(per)) },
      annotations: [caption("test error, %", 0, "left", 1, -40, 22, colour["ink-3"])],
    },
    CONFIG,
  );
  plot.setAttribute("aria-label", `Test error by number of members: ${order.map((point) => percent(point.error)).join(", ")}`);
});

// ------------------------------------------------------------------ the numbers

const memberRows = () =>
  facts().members.map((m) => [m.place, m.name, m.error, ...m.interval, m.adds.gain, ...m.adds.interval, m.adds.p, m.error_without, m.n_parameters, m.n_macs]);

function curveRows() {
  const { order, subsets } = facts();
  return order.map((point, i) => [point.size, point.error, ...point.interval, ...(subsets ? [subsets[i].mean, subsets[i].best, subsets[i].worst] : [null, null, null])]);
}

function offer() {
  offerData("members", () => ({
    title: "Members",
    columns: ["place", "member", "test error", "95 % low", "95 % high", "adds", "adds, 95 % low", "adds, 95 % high", "McNemar p", "error without it", "parameters", "MACs"],
    rows: memberRows(),
  }));
  offerData("curve", () => ({
    title: "Error by number of members",
    columns: ["members", "error of the first in order", "95 % low", "95 % high", "mean over all subsets", "best subset", "worst subset"],
    rows: curveRows(),
  }));
}

// ------------------------------------------------------------------ waiting for its snapshots

async function look(waiting) {
  if (document.hidden) return;
  try {
    const answer = await fetch(waiting.dataset.waiting, { cache: "no-store" });
    if (answer.ok && (await answer.json()).state !== "waiting") location.reload();
  } catch {
    // the server is away: what is shown is of before
  }
}

const waiting = byId("waiting");
if (waiting) setInterval(look, EVERY, waiting);
document.addEventListener("renewed", () => {
  offer();
  draw();
});
onThemeChange(draw);
confirmForms();
offer();
draw();
