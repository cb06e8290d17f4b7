// One polite live region (base.html): decisions, warnings and the end are read out; epochs are not.

import { byId } from "./dom.js";

const TOLD = new Set(["decision", "warning", "error"]);

/** Has a screen reader say a sentence once what it says now is over. */
export function say(words) {
  byId("announcer").textContent = words;
}

export function announce(store) {
  store.listen(({ line }) => {
    if (line && line.words && (TOLD.has(line.level) || line.kind.startsWith("search_"))) say(line.words);
  });
}
