// Short against long training of the winners of steps, with and without SGDR: one chart over the JSON of the page.

import { offerData } from "./data.js";
import { byId, onThemeChange, oncePerFrame } from "./dom.js";
import { CONFIG, axis, baseLayout, caption, palette } from "./figure.js";
import { percent } from "./format.js";
import { SERIES, sample } from "./series.js";

const entries = JSON.parse(byId("pairs").textContent);

for (const place of document.querySelectorAll(".series-of")) place.append(sample(Number(place.dataset.number)));

const title = (text, colour) => ({ text, font: { size: 12, color: colour["ink-3"] } });

const draw = oncePerFrame(() => {
  const colour = palette();
  const traces = entries.map(({ pairs }, i) => {
    const { token, symbol } = SERIES[i];
    return {
      x: pairs.map((pair) => 100 * pair.val_accuracy), y: pairs.map((pair) => 100 * pair.test_accuracy), mode: "markers",
      marker: { symbol, size: 9, color: colour[token], line: { width: 1, color: colour.surface } },
      customdata: pairs.map((pair) => `${pair.search}, winner of step ${pair.step}<br>${percent(pair.val_accuracy)} after the short training, ${percent(pair.test_accuracy)} at the end`),
      hovertemplate: "%{customdata}<extra></extra>",
    };
  });
  Plotly.react(
    byId("pairs-plot"),
    traces,
    {
      ...baseLayout(colour),
      margin: { l: 40, r: 16, t: 34, b: 44 },
      hoverlabel: { bgcolor: colour.surface, bordercolor: colour["line-strong"], font: { color: colour.ink } },
      xaxis: { ...axis(colour), nticks: 6, title: title("validation accuracy after the short training, %", colour) },
      yaxis: { ...axis(colour), nticks: 6 },
      annotations: [caption("test accuracy at the end, %", 0, "left", 1, -40, 22, colour["ink-3"])],
    },
    CONFIG,
  );
});

byId("pairs-plot").setAttribute("aria-label", `Test accuracy after the long training against validation accuracy after the short one, ${entries.map((entry) => `${entry.n} networks ${entry.name}`).join(", ")}; the data table has the values`);
onThemeChange(draw);
draw();

offerData("pairs", () => ({
  title: "Short and long trainings",
  columns: ["rates", "search", "step", "validation accuracy after the short training", "test accuracy at the end"],
  rows: entries.flatMap(({ name, pairs }) => pairs.map((pair) => [name, pair.search, pair.step, pair.val_accuracy, pair.test_accuracy])),
}));
