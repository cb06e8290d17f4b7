// Try it: a picture is dropped, chosen, pasted or clicked on; what the model says of it stands beside it. The browser
// works it out; where it cannot, the server is asked.

import { say } from "./announce.js";
import { byId, h, s, setText } from "./dom.js";
import { percent } from "./format.js";
import { input, pixels, show } from "./try-it/pixels.js";
import { probabilities } from "./try-it/runtime.js";

const TOP = 5;
const BAR = 120;

let panel, settings, places, file; // panel: undefined while the page has none
let turn = 0; // the picture on show; answers to earlier ones come too late
let picture = ""; // its address

const tell = (words) => {
  byId("try-it-where").hidden = words === "";
  setText(byId("try-it-where"), words);
};

async function classify(blob, shows = "") {
  const own = ++turn;
  fail("");
  panel.setAttribute("aria-busy", "true");
  try {
    if (blob.size > settings.maxBytes) throw new Error(`This file has ${(blob.size / 2 ** 20).toFixed(0)} MB; at most ${settings.maxBytes / 2 ** 20} MB are taken.`);
    const values = await pixels(blob, settings.shape);
    if (own !== turn) return;
    tell("Working it out.");
    const { found, where } = await answers(blob, values);
    if (own !== turn) return;
    present(blob, values, found, shows);
    tell(where);
  } catch (error) {
    if (own === turn) fail(error.message);
  } finally {
    if (own === turn) panel.removeAttribute("aria-busy");
  }
}

/** By the browser, or where it cannot by the server. */
async function answers(blob, values) {
  let why = "";
  if (settings.onnx) {
    try {
      const found = await probabilities(input(values, settings.shape), settings.shape, places, tell);
      return { found, where: "Computed in your browser by model.onnx; the picture did not leave it." };
    } catch {
      why = " because your browser could not load the model";
    }
  }
  tell("The server works it out.");
  return { found: await asked(blob), where: `Computed on the server${why}; the picture was not kept.` };
}

async function asked(blob) {
  const token = byId("try-it-form").querySelector("[name=csrfmiddlewaretoken]").value;
  const headers = { "X-CSRFToken": token, "Content-Type": "application/octet-stream" };
  let answer;
  try {
    answer = await fetch(settings.server, { method: "POST", headers, body: blob });
  } catch {
    throw new Error("The server does not answer. Try again in a moment.");
  }
  const told = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
  if (!answer.ok || !told.probabilities) throw new Error(told.error ?? `The server answered ${answer.status}. Reload the page and try again.`);
  return told.probabilities;
}

function present(blob, values, found, shows) {
  URL.revokeObjectURL(picture);
  picture = URL.createObjectURL(blob);
  const image = byId("try-it-picture");
  image.src = picture;
  image.alt = shows ? `An image of ${shows}` : (blob.name ?? "The picture");
  image.onload = () => {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    image.classList.toggle("is-small", Math.max(width, height) <= 104);
    byId("try-it-seen").hidden = width === settings.shape[2] && height === settings.shape[1]; // it is seen as it is
  };
  show(byId("try-it-seen").querySelector("canvas"), values, settings.shape);
  const order = found.map((value, k) => [settings.classes[k], value]).sort((a, b) => b[1] - a[1]);
  const rest = order.slice(TOP);
  const lines = order.slice(0, TOP);
  if (rest.length) lines.push([`${rest.length} other${rest.length === 1 ? "" : "s"}`, rest.reduce((sum, [, value]) => sum + value, 0)]);
  byId("try-it-classes").replaceChildren(...lines.map(([name, value], k) => line(name, value, k === TOP)));
  const [name, value] = order[0];
  byId("try-it-verdict").replaceChildren(h("strong", null, name), ` ${percent(value, 1)}`, shows ? h("span", { class: "muted" }, shows === name ? " as the data set says" : ` the data set says ${shows}`) : "");
  byId("try-it-answer").hidden = false;
  say(`${name}, ${percent(value, 1)}`);
}

function line(name, value, isRest) {
  const width = (BAR * value).toFixed(1);
  const bar = s("svg", { class: "bar", viewBox: `0 0 ${BAR} 8`, preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "bar-track", width: BAR, height: 8, rx: 2 }), s("rect", { class: `bar-fill${isRest ? " quiet" : ""}`, width, height: 8, rx: 2 }));
  return h("li", { class: isRest ? "muted" : null, "data-value": value }, h("span", { class: "try-class", title: name }, name), bar, h("span", { class: "num" }, percent(value, 1)));
}

function fail(words) {
  const place = byId("try-it-error");
  place.hidden = words === "";
  setText(place, words);
  file.setAttribute("aria-invalid", String(words !== ""));
  if (!words) return;
  byId("try-it-answer").hidden = true;
  tell("");
}

const imageOf = (transfer) => [...(transfer?.files ?? [])][0];

/** Takes the panel that is on the page: again when the page's part round it was fetched anew (jobs.js). */
function begin() {
  if (!byId("try-it") || panel === byId("try-it")) return;
  panel = byId("try-it");
  settings = JSON.parse(byId("try-it-settings").textContent);
  places = { ...panel.dataset, onnx: settings.onnx, onnxBytes: settings.onnxBytes };
  file = byId("try-it-file");
  turn += 1;
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = ""; // the same file can be chosen again
    if (chosen) classify(chosen);
  });
  panel.addEventListener("dragover", (event) => {
    event.preventDefault();
    panel.dataset.over = "";
  });
  panel.addEventListener("dragleave", (event) => panel.contains(event.relatedTarget) || delete panel.dataset.over);
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    delete panel.dataset.over;
    const dropped = imageOf(event.dataTransfer);
    if (dropped) classify(dropped);
    else fail("That is not a file. Save the picture first, then drop it here.");
  });
  panel.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-sample]");
    if (!button) return;
    const answer = await fetch(button.dataset.sample).catch(() => null);
    if (answer?.ok) classify(await answer.blob(), button.dataset.class);
    else fail("This image cannot be fetched from the server. Reload the page and try again.");
  });
}

document.addEventListener("paste", (event) => {
  const pasted = imageOf(event.clipboardData);
  if (panel && pasted && !event.target.closest("input, textarea")) classify(pasted);
});
begin();
document.addEventListener("renewed", begin);
