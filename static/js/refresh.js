// Pages that are lists stay true without a reload: the same address is asked for every few seconds, and each part
// marked data-live is replaced where it reads differently. The focus stays on what has the same id. X-Live: a message
// that waits to be read is left for a page that somebody opens.

import { byId, setText } from "./dom.js";
import { duration } from "./format.js";
import { tellTimes } from "./times.js";

const EVERY = 2000;
let heard = performance.now();
let asking = false;

async function refresh() {
  if (document.hidden || asking || document.querySelector("dialog[open]")) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Live": "1" }, cache: "no-store" });
    if (answer.redirected) location.reload(); // signed out
    else if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the server is away: the words below say for how long
  } finally {
    asking = false;
    connection();
  }
}

function take(page) {
  heard = performance.now();
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    tellTimes(fresh);
    if (part.innerHTML === fresh.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceChildren(...fresh.childNodes);
    if (focused) byId(focused)?.focus();
  }
}

function connection() {
  const seconds = (performance.now() - heard) / 1000;
  byId("offline").hidden = seconds < 3 * (EVERY / 1000);
  setText(byId("offline-words"), `Not connected for ${duration(seconds)}. What is shown is of then; this page catches up by itself.`);
}

setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", () => {
  heard = performance.now(); // nobody looked: nothing was asked for
  refresh();
});
