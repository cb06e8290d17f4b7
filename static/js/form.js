// The launch form: a preset fills the fields, the epoch budget adds up while somebody types.

import { byId, h, setText } from "./dom.js";
import { count, plural } from "./format.js";

const form = byId("launch");
const field = (name) => form.elements.namedItem(name);

/** The whole number in a field, thousands commas allowed; null for anything else. */
function number(name) {
  const text = field(name).value.replace(/[\s,_]/g, "");
  return /^\d+$/.test(text) ? Number(text) : null;
}

// ------------------------------------------------------------------ an ensemble is of snapshots

const ensemble = field("snapshot_ensemble");
const snapshots = form.querySelector('input[name="comparisons"][value="snapshots"]');
ensemble.addEventListener("input", () => {
  if (ensemble.checked) snapshots.checked = true;
});
snapshots.addEventListener("input", () => {
  if (!snapshots.checked) ensemble.checked = false;
});
if (ensemble.checked) snapshots.checked = true;

// ------------------------------------------------------------------ the budget

function add() {
  const [pre, steps, neigh, each, final] = ["epoch_pretrain", "n_steps", "n_neigh", "epoch_neigh", "epoch_final"].map(number);
  const product = steps === null || neigh === null || each === null ? null : steps * neigh * each;
  const search = pre === null || product === null || final === null ? null : pre + product + final;
  const costs = search === null ? null : comparisonCosts({ pre, steps, each, final, search });
  const ticked = [...form.querySelectorAll("input[name=comparisons]:checked")].map((box) => box.value);
  const compared = costs === null ? null : ticked.reduce((sum, name) => sum + costs[name].epochs, 0);
  const trainings = costs === null ? 0 : ticked.reduce((sum, name) => sum + costs[name].trainings, 0);
  const total = search === null ? null : search + compared;
  const shown = (value) => (value === null ? "–" : count(value));
  for (const element of document.querySelectorAll("[data-epochs]")) setText(element, shown(total));
  for (const element of form.querySelectorAll("[data-epochs-of]")) setText(element, costs === null ? "–" : plural(costs[element.dataset.epochsOf].epochs, "epoch"));
  byId("cost-comparisons").hidden = ticked.length === 0;
  const sums = {
    pre: shown(pre),
    steps: shown(product),
    final: shown(final),
    product: product === null ? "n_steps × n_neigh × epoch_neigh" : `${count(steps)} × ${count(neigh)} × ${count(each)}`,
    comparisons: shown(compared),
    compared: plural(trainings, "training"),
    trainings: product === null ? "–" : count(2 + steps * neigh + trainings),
  };
  for (const [name, text] of Object.entries(sums)) setText(form.querySelector(`[data-sum="${name}"]`), text);
  if (total !== null) bar(pre, steps, neigh * each, final, compared);
}

/** What each comparison costs, as searches/comparisons.py has it. */
function comparisonCosts({ pre, steps, each, final, search }) {
  const one = (epochs) => ({ epochs, trainings: 1 });
  return {
    snapshots: { epochs: (steps - 1) * final, trainings: steps - 1 },
    scratch: one(pre + steps * each + final),
    "model_0-final": one(final),
    "model_0-total": one(search),
    "wrn-16-4": one(search),
    "wrn-28-10": one(search),
  };
}

function bar(pre, steps, stepEpochs, final, compared) {
  const cell = (part, epochs) => {
    const element = h("span", { class: `part-${part}` });
    element.style.flexGrow = epochs;
    return element;
  };
  const middle = steps > 60 ? [cell("step", steps * stepEpochs)] : Array.from({ length: steps }, () => cell("step", stepEpochs));
  const last = compared > 0 ? [cell("comparison", compared)] : [];
  byId("cost-bar").replaceChildren(cell("pre", pre), ...middle, cell("final", final), ...last);
}

// ------------------------------------------------------------------ presets and data sets

let named = form.hasAttribute("data-clone") ? null : field("name").value; // what a preset gave; somebody's own is left alone

function take(radio) {
  const settings = JSON.parse(byId(`settings-${radio.value}`).textContent);
  for (const [name, value] of Object.entries(settings)) fill(name, value);
  if (ensemble.checked) snapshots.checked = true;
  const dataset = [...field("dataset").options].find((option) => option.dataset.name === radio.dataset.dataset);
  if (dataset) field("dataset").value = dataset.value;
  rename();
  tell();
  add();
}

function fill(name, value) {
  const target = field(name);
  if (Array.isArray(value)) for (const box of form.querySelectorAll(`input[name="${name}"]`)) box.checked = value.includes(box.value);
  else if (target.type === "checkbox") target.checked = value;
  else target.value = value;
}

function rename() {
  const radio = form.querySelector('input[name="preset"]:checked');
  if (!radio || field("name").value !== named) return;
  named = `${radio.dataset.title}, seed ${field("seed").value || 0}`;
  field("name").value = named;
}

/** What the data set is, and what an empty field means for it. */
function tell() {
  const about = field("dataset").selectedOptions[0]?.dataset;
  setText(byId("dataset-words"), about?.words ?? "No data set is there yet.");
  const wanted = form.querySelector('input[name="preset"]:checked')?.dataset.dataset;
  byId("dataset-missing").hidden = form.hasAttribute("data-clone") || !wanted || [...field("dataset").options].some((option) => option.dataset.name === wanted);
  setText(byId("dataset-wanted"), wanted);
  field("n_validation").placeholder = about ? count(Math.floor(Number(about.train) / 5)) : "";
  field("n_training").placeholder = about ? count(Number(about.train) - (number("n_validation") ?? Math.floor(Number(about.train) / 5))) : "";
  field("n_test").placeholder = about ? count(Number(about.test)) : "";
  field("padding").placeholder = about ? String(Math.floor(Number(about.side) / 8)) : "";
}

for (const radio of form.querySelectorAll('input[name="preset"]')) radio.addEventListener("change", () => take(radio));
field("seed").addEventListener("input", rename);
field("dataset").addEventListener("change", tell);
field("n_validation").addEventListener("input", tell);
form.addEventListener("input", add);
byId("mistakes")?.focus();
tell();
add();
