// Pages that are lists stay true without a reload: the same address is asked for every few seconds, and each part
// marked data-live is replaced where it reads differently. The focus stays on what has the same id, and what is ticked
// stays ticked. X-Live: a message that waits to be read is left for a page that somebody opens.

import { byId, setText } from "./dom.js";
import { duration } from "./format.js";
import { tellTimes } from "./times.js";

const EVERY = 2000;
let heard = performance.now();
let asking = false;
let etag = "";

/** `now`: the address has changed; an answer that is on its way to the old one is not taken. */
export async function refresh(now = false) {
  if (!now && (document.hidden || asking || document.querySelector("dialog[open]"))) return;
  asking = true;
  if (now) etag = "";
  const address = location.href;
  try {
    const headers = { Accept: "text/html", "X-Live": "1", ...(etag && { "If-None-Match": etag }) };
    const answer = await fetch(address, { headers, cache: "no-store" });
    if (answer.redirected) location.reload(); // signed out
    if (address !== location.href) return;
    if (answer.ok || answer.status === 304) heard = performance.now();
    if (answer.ok) etag = answer.headers.get("ETag") ?? "";
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the server is away: the words below say for how long
  } finally {
    asking = false;
    connection();
  }
}

function take(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    tellTimes(fresh);
    if (part.innerHTML === fresh.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const ticked = [...part.querySelectorAll("input:checked[id]")].map((box) => box.id);
    part.className = fresh.className;
    part.replaceChildren(...fresh.childNodes);
    for (const id of ticked) if (byId(id)) byId(id).checked = true;
    if (focused) byId(focused)?.focus({ preventScroll: true });
  }
  document.dispatchEvent(new CustomEvent("refreshed"));
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
