// Why one network of a step won: its gap to the others, tested on the same images, and what that leaves open.

import { h } from "./dom.js";
import { count, points } from "./format.js";
import { hasEnded } from "./state.js";

const NOISE = 0.05; // p of McNemar's test from which on a gap is within noise, as in services/sentences.py

export const isNoise = (gap) => gap.p >= NOISE;

/** p to two digits: "0.34", "0.0021", "below 0.0001". */
const pWords = (p) => (p < 0.0001 ? "below 0.0001" : Number(p.toPrecision(2)).toString());

const badge = (gap) => h("span", { class: `badge ${isNoise(gap) ? "badge-warn" : ""}` }, isNoise(gap) ? "within noise" : "clear");

/** The interval of the paired difference, in points: "−0.92 to +0.12". */
const between = ({ low, high }) => `${points(low)} to ${points(high)}`;

/** The cell of one candidate, held against `top`, who won the step or leads it. */
export function gapCell(candidate, top) {
  if (!top || candidate.val_accuracy === null || candidate.status !== "done") return "–";
  if (candidate.id === top.id) return "–";
  const gap = candidate.val_accuracy - top.val_accuracy;
  const known = candidate.gap?.to === top.id ? candidate.gap : null;
  return [
    h("span", { class: "gap" }, gap === 0 ? "0.00" : points(gap), known && badge(known)),
    known && h("span", { class: "gap-interval muted", title: `95 % interval of the paired difference, McNemar p ${pWords(known.p)}` }, between(known)),
  ];
}

/** The paragraph under the table: the rule, the lead, the noise. `ranked`: those that are done, the best first. */
export function whyWords(store, step, ranked) {
  const [first, second] = ranked;
  if (!first || step === 0 || step > store.nSteps) return null;
  const winner = store.winnerOf(step);
  const isOpen = !winner && !store.row(step).every(hasEnded);
  const verb = winner ? "won" : isOpen ? "leads so far" : "led when the search was stopped";
  const rule = winner ? [" by the rule ", h("em", null, ruleWords(store)), ". "] : ". ";
  if (!second) return h("p", null, h("strong", null, `${first.code} ${verb}`), rule, isOpen ? "No other has ended yet." : "No other candidate of the step came to an accuracy.");
  const lead = first.val_accuracy - second.val_accuracy;
  const beside = lead === 0 ? `It is level with ${second.code}: a tie keeps the parent, else the lower j` : lead > 0 ? `It leads ${second.code} by ${points(lead).slice(1)} points` : `Its validation accuracy is ${points(lead).slice(1)} points below that of ${second.code}`;
  const gap = second.gap?.to === first.id ? second.gap : null;
  if (!gap) return h("p", null, h("strong", null, `${first.code} ${verb}`), rule, `${beside}.`);
  const rest = ranked.slice(1).filter((c) => c.gap?.to === first.id);
  const near = rest.filter((c) => isNoise(c.gap)).length;
  return h(
    "p",
    null,
    badge(gap),
    " ",
    h("strong", null, `${first.code} ${verb}`),
    rule,
    `${beside}; 95 % interval of the difference ${between({ low: -gap.high, high: -gap.low })} points. Of ${count(store.search.dataset.n_validation)} validation images, `,
    `${count(gap.behind)} are right with ${first.code} alone and ${count(gap.ahead)} with ${second.code} alone: McNemar p ${pWords(gap.p)}. `,
    near ? `${near === rest.length ? (near === 1 ? "" : "All others are") : `${count(near)} of the ${count(rest.length)} others ${near === 1 ? "is" : "are"}`}${near === 1 && rest.length === 1 ? "" : " within noise. "}Another seed could have chosen ${second.code}.` : "Each of the others is clearly behind.",
  );
}

/** The rule of Algorithm 1, line 19, by the measure that this search is decided by. */
export const ruleWords = (store) => (store.search.config.selection === "balanced" ? "highest balanced accuracy" : "highest validation accuracy");
