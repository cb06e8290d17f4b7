// The list of searches: true without a reload. Filters, states, order, columns and pages are an address each; this
// changes the address without leaving the page. What is chosen stays chosen while the list is refreshed.

import { say } from "./announce.js";
import { ask, confirmForms } from "./confirm.js";
import { byId, setText } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { follow, refresh } from "./refresh.js";

const TYPING_MS = 250;
const filters = byId("filters");
const bulk = byId("bulk");
const picks = () => [...document.querySelectorAll("input[name=s]")];

confirmForms();
byId("show").hidden = true; // each change shows itself
for (const button of bulk.querySelectorAll("button:disabled")) button.disabled = false;

// ------------------------------------------------------------------ the address

const isUsual = (box) => box.hasAttribute("data-usual");

/** The address of what the form says; what is empty or usual is left out of it. */
function address() {
  const pairs = [...new FormData(filters)].filter(([name, value]) => value !== "" && !(name === "sort" && value === "-began"));
  const boxes = [...filters.querySelectorAll("[name=col]")];
  const usual = boxes.every((box) => box.checked === isUsual(box));
  const query = new URLSearchParams(usual ? pairs.filter(([name]) => name !== "col") : pairs).toString();
  return location.pathname + (query && `?${query}`);
}

async function show(url, remember) {
  if (remember) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  byId("back").value = location.search;
  await refresh(true);
  say(byId("list-n")?.textContent ?? "No search is like that.");
}

let typing = 0;
filters.addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => show(address(), false), event.target.type === "search" ? TYPING_MS : 0);
});
filters.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  show(address(), false);
});
/** Where a link of the list leads by now: it sets the one thing that data-smooth names. The rest is as the form says,
    since the list on show, and so its links, may be older than a filter that was just set. Without a name: no filter. */
function destination(link) {
  const name = link.dataset.smooth;
  if (!name) return link.href;
  const url = new URL(address(), location.href);
  const value = new URL(link.href).searchParams.get(name);
  if (value === null) url.searchParams.delete(name);
  else url.searchParams.set(name, value);
  return url.href;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-smooth]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  clearTimeout(typing);
  show(destination(link), true).then(() => link.dataset.smooth === "page" && byId("list-h").scrollIntoView());
  fillForm();
});
addEventListener("popstate", () => {
  fillForm();
  byId("back").value = location.search;
  refresh(true);
});

/** The form as the address says. */
function fillForm() {
  const query = new URLSearchParams(location.search);
  for (const name of ["q", "dataset", "owner", "tag", "state"]) filters.elements[name].value = query.get(name) ?? "";
  filters.elements.sort.value = query.get("sort") ?? "-began";
  const columns = query.getAll("col");
  for (const box of filters.querySelectorAll("[name=col]")) box.checked = columns.length ? columns.includes(box.value) : isUsual(box);
}

document.addEventListener("pointerdown", (event) => event.target.closest("#columns") || byId("columns").removeAttribute("open"));
byId("columns").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  byId("columns").removeAttribute("open");
  byId("columns").querySelector("summary").focus();
});

// ------------------------------------------------------------------ what is chosen

function tell() {
  const all = picks();
  const chosen = all.filter((box) => box.checked).length;
  setText(byId("n-chosen"), `${count(chosen)} chosen`);
  byId("bulk-compare").disabled = chosen < 2 || chosen > 6;
  byId("bulk-compare").title = chosen < 2 ? "Choose a second search to compare with." : chosen > 6 ? "At most six can be compared." : "Side by side.";
  byId("bulk-ensemble").disabled = chosen < 2;
  byId("bulk-ensemble").title = chosen < 2 ? "Choose a second search to average with." : "Average their final models.";
  const head = byId("pick-all");
  if (!head) return;
  head.checked = chosen > 0 && chosen === all.length;
  head.indeterminate = chosen > 0 && chosen < all.length;
}

document.addEventListener("change", (event) => {
  if (event.target.id === "pick-all") for (const box of picks()) box.checked = event.target.checked;
  if (event.target.id !== "pick-all" && event.target.name !== "s") return;
  tell();
  say(byId("n-chosen").textContent);
});
document.addEventListener("refreshed", tell);
tell();

// ------------------------------------------------------------------ what trains

/** How far the searches are that run: told each second. */
function far({ lines }) {
  for (const line of lines) {
    const row = byId(`row-${line.id}`);
    if (!row) continue;
    const texts = { words: line.words, epochs: count(line.epochs_done), seconds: duration(line.seconds), disk: bytes(line.disk_bytes) };
    for (const [name, text] of Object.entries(texts)) for (const cell of row.querySelectorAll(`[data-${name}]`)) setText(cell, text);
    row.querySelector("[data-bar]")?.setAttribute("width", ((120 * Math.min(line.epochs_done, line.epochs_total)) / Math.max(1, line.epochs_total)).toFixed(1));
  }
}

follow(far);

// ------------------------------------------------------------------ what is asked first

bulk.addEventListener("submit", async (event) => {
  const { dataset, formAction } = event.submitter;
  if (!dataset.ask) return;
  event.preventDefault();
  const chosen = picks().filter((box) => box.checked).map((box) => `“${box.labels[0].textContent.replace(/^Choose /, "")}”`);
  const words = `${chosen.slice(0, 5).join(", ")}${chosen.length > 5 ? ` and ${chosen.length - 5} more` : ""}. ${dataset.ask}`;
  if (!(await ask({ title: dataset.title, words, yes: dataset.yes, danger: true }))) return;
  bulk.action = formAction;
  bulk.submit(); // the method asks no further: it fires no submit event
});
byId("tags").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // the form's first button is another one
  bulk.querySelector("[formaction$='/tag/']").click();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-submit]");
  if (button) byId(button.dataset.submit).requestSubmit();
});
