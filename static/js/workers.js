// The workers page: beats, speed and memory as they are told each second.

import { bytes, count, duration } from "./format.js";
import { setText } from "./dom.js";
import { follow } from "./refresh.js";

function show({ workers }) {
  const rows = new Map([...document.querySelectorAll("[data-worker]")].map((row) => [row.dataset.worker, row]));
  for (const worker of workers) {
    const row = rows.get(worker.name);
    if (!row) continue;
    setText(row.querySelector("[data-beat]"), duration(worker.seconds_since_beat));
    setText(row.querySelector("[data-speed]"), worker.images_per_second === null ? "–" : count(worker.images_per_second));
    const used = row.querySelector("[data-used]");
    if (!used || worker.memory_used_bytes === null) continue;
    setText(used, bytes(worker.memory_used_bytes));
    row.querySelector("[data-bar]").setAttribute("width", (120 * worker.memory_used_bytes) / worker.memory_bytes);
  }
}

follow(show);
