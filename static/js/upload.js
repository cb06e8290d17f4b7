// An archive goes up in pieces, each where the server says that its file ends: after a reload or a broken network the
// same file goes on from there.

import { say } from "./announce.js";
import { byId, setText } from "./dom.js";

const PIECE = 4 * 2 ** 20;
const WAITS = [1, 2, 4, 8, 15, 30]; // seconds between tries while the network is away

const form = byId("upload");
const file = byId("upload-file");
let halted = null; // an AbortController while an upload is under way

const token = () => form.querySelector("[name=csrfmiddlewaretoken]").value;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

function mistakes(errors) {
  for (const place of form.querySelectorAll("[data-error]")) {
    const words = errors[place.dataset.error] ?? "";
    place.hidden = words === "";
    setText(place, words);
  }
  form.querySelector("[data-error]:not([hidden])")?.parentElement.querySelector("input")?.focus();
}

function show(done, total, words) {
  byId("upload-progress").hidden = false;
  byId("upload-bar").value = done / total;
  setText(byId("upload-words"), words);
}

/** Where the upload of this file begins or goes on; null where the server has something against it. */
async function begin(chosen) {
  const body = new FormData(form);
  body.set("file_name", chosen.name);
  body.set("bytes", chosen.size);
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!answer.headers.get("Content-Type")?.includes("json")) throw new Error(`The server answered ${answer.status}.`);
  const told = await answer.json();
  if (!answer.ok) {
    mistakes(told.errors);
    return null;
  }
  return told;
}

/** One piece; the offset of the next. Throws what the network throws; refused is a sentence. */
async function send(url, chosen, offset, signal) {
  const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream", "X-CSRFToken": token() };
  const answer = await fetch(url, { method: "PATCH", headers, body: chosen.slice(offset, offset + PIECE), signal });
  if (answer.ok || answer.status === 409) return Number(answer.headers.get("Upload-Offset"));
  if (answer.status >= 500) throw new TypeError(`The server answered ${answer.status}.`);
  throw new Error(answer.status === 413 ? await answer.text() : `The server answered ${answer.status}; reload the page.`);
}

const wait = (seconds, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, 1000 * seconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

async function upload(chosen, { url, offset }, signal) {
  let tries = 0;
  while (offset < chosen.size && !signal.aborted) {
    show(offset, chosen.size, `${megabytes(offset)} of ${megabytes(chosen.size)} are there.`);
    try {
      offset = await send(url, chosen, offset, signal);
      if (tries > 0) say("Connected again; the upload goes on.");
      tries = 0;
    } catch (error) {
      if (signal.aborted || !(error instanceof TypeError)) throw error; // a TypeError is the network's
      if (tries === 0) say(`Not connected. ${megabytes(offset)} are safe; the upload goes on by itself.`);
      const seconds = WAITS[Math.min(tries++, WAITS.length - 1)];
      show(offset, chosen.size, `Not connected. ${megabytes(offset)} are safe; the next try comes in ${seconds} s.`);
      await wait(seconds, signal);
    }
  }
  return offset >= chosen.size;
}

async function start(event) {
  event.preventDefault();
  const [chosen] = file.files;
  mistakes({});
  if (!chosen) return mistakes({ file: "Choose an archive first." });
  if (chosen.size > Number(form.dataset.most)) return mistakes({ file: `${chosen.name} has ${megabytes(chosen.size)}; at most ${megabytes(Number(form.dataset.most))} can be uploaded.` });
  halted = new AbortController();
  busy(true);
  try {
    const told = await begin(chosen);
    if (told && (await upload(chosen, told, halted.signal))) {
      show(1, 1, "All there. The import begins.");
      location.reload();
      return;
    }
  } catch (error) {
    if (!halted.signal.aborted) mistakes({ file: error.message });
  }
  if (halted.signal.aborted) {
    setText(byId("upload-words"), "Halted. Start again and it goes on from here.");
    say(byId("upload-words").textContent);
  }
  busy(false);
}

function busy(is) {
  byId("upload-start").disabled = is;
  byId("upload-halt").hidden = !is;
}

form.addEventListener("submit", start);
byId("upload-halt").addEventListener("click", () => halted?.abort());
/** What was begun with this file is gone on with as it was begun. */
function recall(chosen) {
  const begun = [...document.querySelectorAll("[data-file]")].find((item) => item.dataset.file === chosen?.name && Number(item.dataset.bytes) === chosen.size);
  if (!begun) return;
  for (const name of ["name", "size", "test_per_cent"]) form.elements.namedItem(name).value = begun.dataset[name];
  for (const name of ["flips", "crops"]) form.elements.namedItem(name).checked = begun.dataset[name] !== "";
}

file.addEventListener("change", () => {
  const name = form.elements.namedItem("name");
  recall(file.files[0]);
  const stem = file.files[0]?.name.replace(/(\.tar)?\.[a-z]+$/i, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[-_]+/, "");
  if (stem && !name.value) name.value = stem.slice(0, 64);
});
