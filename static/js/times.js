// Times as the server wrote them (in its own zone) become the reader's.

import { setText } from "./dom.js";
import { when } from "./format.js";

export function tellTimes(part) {
  for (const time of part.querySelectorAll("time[data-moment]")) {
    time.title = new Date(time.dateTime).toLocaleString("en-GB");
    setText(time, when(time.dateTime));
  }
}

tellTimes(document);
