// Follows the background jobs of a page: the socket of its search, or else the board of jobs, tells each second how far
// each is. Once one has ended, the part of the page round it (data-job-region, with an id) is fetched anew.

import { say } from "./announce.js";
import { Connection } from "./connection.js";
import { byId, setText } from "./dom.js";
import { count } from "./format.js";
import { tellTimes } from "./times.js";

const OPEN = ["pending", "running"];
let board = null;

const open = () => [...document.querySelectorAll("[data-job]")].filter((panel) => OPEN.includes(panel.dataset.jobStatus));

function hear(job) {
  for (const panel of open()) if (panel.dataset.job.endsWith(`/${job.uuid}`)) show(panel, job);
}

/** Connects once there is a job to follow; a page about a search has a socket that tells of its jobs, too. */
function follow() {
  if (byId("search")?.dataset.socket || board !== null || open().length === 0) return;
  let isFirst = true;
  const change = (connected) => {
    if (connected && !isFirst) catchUp();
    if (connected) isFirst = false;
  };
  board = new Connection(() => "/ws/boards/jobs/", (frame) => frame.kind === "job" && hear(frame.job), change);
  board.open();
}

/** What has ended while nothing was heard is not told again: each is asked for once. */
async function catchUp() {
  for (const panel of open()) {
    const answer = await fetch(panel.dataset.job, { cache: "no-store" }).catch(() => null);
    if (answer?.ok) show(panel, await answer.json());
  }
}

function show(panel, job) {
  if (!OPEN.includes(job.status)) {
    panel.dataset.jobStatus = job.status;
    say(`${job.title}: ${job.status}. ${job.reason}`);
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
  const whole = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = whole.getElementById(region.id);
  if (!fresh) return location.reload();
  tellTimes(fresh);
  region.replaceChildren(...fresh.childNodes);
  const also = whole.getElementById(region.dataset.jobAlso);
  if (also) byId(also.id)?.replaceWith(also);
  document.dispatchEvent(new CustomEvent("renewed", { detail: region }));
  follow();
}

document.addEventListener("job", (event) => hear(event.detail));
document.addEventListener("connected", catchUp);
follow();
