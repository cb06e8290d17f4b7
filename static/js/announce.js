// One polite live region: decisions, warnings and the end are read out; epochs are not.

import { byId } from "./dom.js";

const TOLD = new Set(["decision", "warning", "error"]);

export function announce(store) {
  const region = byId("announcer");
  store.listen(({ line }) => {
    if (line && line.words && (TOLD.has(line.level) || line.kind.startsWith("search_"))) region.textContent = line.words;
  });
}
