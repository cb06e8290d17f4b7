// What the settings would cost: asked of the server once somebody has stopped typing, and until its simulations are whole.

import { say } from "./announce.js";
import { byId, setText } from "./dom.js";

const STILL_MS = 350; // after the last key
const AGAIN_MS = 100;
const MOST_QUESTIONS = 40; // of one set of settings

const form = byId("launch");
const panel = byId("estimate");
const shown = document.querySelectorAll("[data-estimate]");
let asked = null; // the settings that the answer on the page is of
let timer = 0;
let asking = new AbortController();

function settings() {
  const data = new FormData(form);
  data.delete("csrfmiddlewaretoken");
  if (data.get("start_zip")?.size) data.delete("start_kept"); // another takes its place
  data.delete("start_zip"); // a file; what its network costs is said once it was sent
  return new URLSearchParams(data).toString();
}

function later(ms, question) {
  clearTimeout(timer);
  timer = setTimeout(() => ask(question), ms);
}

async function ask(question) {
  const query = settings();
  if (question === 0 && query === asked) return;
  asking.abort();
  asking = new AbortController();
  panel.dataset.asking = "";
  try {
    const response = await fetch(`${panel.dataset.url}?${query}`, { signal: asking.signal });
    if (!response.ok) {
      fail(response.status === 401 ? "you are signed out. Sign in again in another tab; what you typed here stays." : `the server answered with an error (${response.status}). Starting works all the same.`);
      return;
    }
    asked = query;
    const answer = await response.json();
    show(answer);
    if (!answer.is_whole && question < MOST_QUESTIONS) later(AGAIN_MS, question + 1);
    else delete panel.dataset.asking;
    if (answer.is_whole && answer.time_words) say(`It will take ${answer.time_words}.`);
  } catch (error) {
    if (error.name !== "AbortError") fail("the server does not answer. What you typed stays; the next change asks again.");
  }
}

/** No estimate, and why; nothing depends on one. */
function fail(why) {
  asked = null;
  delete panel.dataset.asking;
  show({ source: `Not known: ${why}` });
  say(`The time is not known: ${why}`);
}

/** An answer's sentences; while a setting cannot be, what needs mending. */
function show(answer) {
  const mistakes = Object.entries(answer.mistakes ?? {});
  const words = mistakes.length ? { source: `Known once ${mistakes[0][0]} is mended: ${mistakes[0][1]}` } : answer;
  for (const element of shown) setText(element, words[element.dataset.estimate] ?? (element.matches("p, .big, dd") ? "–" : ""));
  for (const element of document.querySelectorAll("[data-estimate-after]")) setText(element, words.time_words ? `, ${words.time_words}` : "");
}

form.addEventListener("input", () => later(STILL_MS, 0));
form.addEventListener("change", () => later(STILL_MS, 0));
later(0, 0);
