// The workers' heartbeat, aged by the page's own clock: silence shows without a message.

import { byId, setText } from "./dom.js";
import { duration } from "./format.js";
import { drawLine } from "./motion.js";

export const LIMIT = 30; // seconds without a beat after which a worker counts as gone

const JITTER = 500; // ms by which the same beat may seem younger when it is told of again
const RUN_MILLISECONDS = 600; // of the line, once a beat

export class Heartbeat {
  #store;
  #element = byId("beat");
  #words = byId("beat-words");
  #newest = null; // {at, name, device, others}: the youngest beat ever heard, on this page's clock

  constructor(store, onTick) {
    this.#store = store;
    this.onTick = onTick;
    store.listen((changed) => changed.workers && this.#take());
    this.#take();
    setInterval(() => this.#tick(), 1000);
  }

  #take() {
    const { workers } = this.#store.search;
    const heard = this.#store.workersHeard;
    const before = this.#newest?.at;
    for (const worker of workers) {
      const at = heard - worker.seconds_since_beat * 1000;
      if (this.#newest === null || at >= this.#newest.at) this.#newest = { ...worker, at, of: workers.filter((each) => each.seconds_since_beat < LIMIT).length };
    }
    if (this.#newest?.at - before > JITTER) drawLine(this.#element.querySelector("path"), RUN_MILLISECONDS);
    this.#show();
  }

  /** Seconds since any worker was heard; null while the page itself is not connected, Infinity if none ever was. */
  get silence() {
    if (this.#store.connected === false) return null;
    return this.#newest === null ? Infinity : Math.max(0, (performance.now() - this.#newest.at) / 1000);
  }

  #tick() {
    this.#show();
    this.onTick();
  }

  #show() {
    const silence = this.silence;
    const alive = silence !== null && silence < LIMIT;
    this.#element.dataset.state = silence === null ? "unknown" : alive ? "alive" : "gone";
    setText(this.#words, this.#sentence(silence, alive));
  }

  #sentence(silence, alive) {
    if (silence === null) return "heartbeat not known while this page is not connected";
    if (silence === Infinity) return "no worker answers";
    if (!alive) return `no worker for ${duration(silence)}`;
    const { name, device, of } = this.#newest;
    const who = of > 1 ? `${of} workers, newest` : [name, device].filter(Boolean).join(", ") + ":";
    return `${who} heartbeat ${duration(silence)} ago`;
  }
}
