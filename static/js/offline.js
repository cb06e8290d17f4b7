// The line that says for how long a page has not been connected (_offline.html); read out when it comes and when it goes.

import { say } from "./announce.js";
import { byId, setText } from "./dom.js";
import { duration } from "./format.js";

const LATE = 2; // seconds: a blink is not worth a word

/** `since`: when the connection was lost (performance.now), null while it is there; `rest`: what goes on meanwhile. */
export function tellOffline(since, rest) {
  const seconds = since === null ? 0 : (performance.now() - since) / 1000;
  const place = byId("offline");
  const wasShown = !place.hidden;
  place.hidden = seconds < LATE;
  if (since !== null) setText(byId("offline-words"), `Not connected for ${duration(seconds)}. ${rest}`);
  if (wasShown === place.hidden) say(wasShown ? "Connected again." : `Not connected. ${rest}`);
}
