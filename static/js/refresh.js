// Pages that are lists stay true without a reload and without asking: a board's frames (ws/boards/) bring each second
// what changes all the time and the version of the page. Where that is another one, the same address is asked for once
// and each part marked data-live is replaced where it reads differently: the focus stays on what has the same id, and
// what is ticked stays ticked. X-Live: a message that waits to be read is left for a page that somebody opens.

import { Connection } from "./connection.js";
import { byId } from "./dom.js";
import { tellOffline } from "./offline.js";
import { tellTimes } from "./times.js";

let lostAt = performance.now();
let connected = false;
let asking = false;

/** Hears the board that the page names; `onFrame` puts a frame's facts into the page. */
export function follow(onFrame) {
  const hear = (frame) => {
    if (!document.hidden) onFrame(frame);
    if (frame.version && frame.version !== byId("live").dataset.version) refresh();
  };
  const change = (isConnected) => {
    connected = isConnected;
    if (!isConnected) lostAt = performance.now();
    tell();
  };
  new Connection(() => byId("live").dataset.socket, hear, change).open();
  setInterval(tell, 1000);
}

/** `now`: the address has changed; an answer that is on its way to the old one is not taken. */
export async function refresh(now = false) {
  if (!now && (document.hidden || asking || document.querySelector("dialog[open]"))) return;
  asking = true;
  const address = location.href;
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html", "X-Live": "1" }, cache: "no-store" });
    if (answer.redirected) location.reload(); // signed out
    if (address !== location.href) return;
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the server is away: the next frame that comes asks again
  } finally {
    asking = false;
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
  byId("live").dataset.version = page.getElementById("live")?.dataset.version ?? "";
  document.dispatchEvent(new CustomEvent("refreshed"));
}

function tell() {
  tellOffline(connected ? null : lostAt, "What is shown is of then; this page catches up by itself.");
}
