// What both Plotly charts share: colours from the tokens, quiet axes, no mode bar.

import { colours } from "./dom.js";

export const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false, scrollZoom: false };

export function palette() {
  const names = ["ink", "ink-2", "ink-3", "line-strong", "surface", "accent", "grid", "lr-fill", "lr-line", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];
  const values = colours(...names);
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

export const fontFamily = () => getComputedStyle(document.body).fontFamily;

/** Drags zoom; a thumb is left to scroll the page, which Plotly would keep it from. */
export function baseLayout(colour) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: fontFamily(), size: 12, color: colour["ink-3"] },
    showlegend: false,
    hovermode: "closest",
    hoverdistance: 24,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  };
}

export const axis = (colour) => ({
  gridcolor: colour.grid,
  linecolor: colour["line-strong"],
  tickcolor: colour["line-strong"],
  tickfont: { color: colour["ink-3"], size: 12 },
  zeroline: false,
  showline: false,
  tickmode: "auto",
  automargin: false,
});

/** A line of text in the chart's margin, in px from the plot's corner. */
export const caption = (text, x, xanchor, y, xshift, yshift, color) => ({
  text, x, y, xanchor, yanchor: "middle", xref: "paper", yref: "paper", xshift, yshift, showarrow: false, font: { size: 12, color },
});

/** The range of per cents that shows `values` with room above and below, whole numbers at both ends. */
export function percentRange(values) {
  if (values.length === 0) return [0, 100];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.5, (high - low) * 0.06);
  const [bottom, top] = [Math.max(0, Math.floor(low - room)), Math.min(100, Math.ceil(high + room))];
  return [bottom, top === 100 && high > 99 ? 100.6 : top];
}
