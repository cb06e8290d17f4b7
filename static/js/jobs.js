// Follows the background jobs of a page: each says every second how far it is. Once one has ended, the part of the
// page round it (data-job-region, with an id) is fetched anew.

import { count } from "./format.js";
import { setText } from "./dom.js";
import { tellTimes } from "./times.js";

const EVERY = 1000;
const OPEN = ["pending", "running"];

async function follow() {
  if (document.hidden) return;
  for (const panel of document.querySelectorAll("[data-job]")) {
    if (!OPEN.includes(panel.dataset.jobStatus)) continue;
    try {
      const answer = await fetch(panel.dataset.job, { cache: "no-store" });
      if (answer.ok) show(panel, await answer.json());
    } catch {
      // the server is away: what is shown is of before
    }
  }
}

function show(panel, job) {
  if (!OPEN.includes(job.status)) {
    panel.dataset.jobStatus = job.status;
    renew(panel);
    return;
  }
  if (job.status === "pending") return;
  const far = job.total > 1 ? ` (${count(job.done)} of ${count(job.total)})` : "";
  setText(panel.querySelector("[data-job-words]"), `${job.words || job.title}${far}`);
  const bar = panel.querySelector("[data-job-bar]");
  if (bar && job.total) {
    bar.max = job.total;
    bar.value = job.done;
  }
}

async function renew(panel) {
  const region = panel.closest("[data-job-region]");
  if (!region) return location.reload();
  const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Live": "1" }, cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(region.id);
  if (!fresh) return location.reload();
  tellTimes(fresh);
  region.replaceChildren(...fresh.childNodes);
  document.dispatchEvent(new CustomEvent("renewed", { detail: region }));
}

setInterval(follow, EVERY);
