// The live channel of a search: goes on from the last event seen, and closes gaps by GET of the same log.

import { Connection } from "./connection.js";

export class Channel {
  #store;
  #eventsPath;
  #connection;
  #catching = false;
  #queue = [];

  /** `onChange(connected)` is called whenever the connection comes or goes. */
  constructor(store, { socketPath, eventsPath, onChange }) {
    this.#store = store;
    this.#eventsPath = eventsPath;
    this.#connection = new Connection(() => `${socketPath}?after=${store.search.seq}`, (frame) => this.#take(frame), onChange);
  }

  open() {
    this.#connection.open();
  }

  #take(frame) {
    if (frame.kind === "job") {
      document.dispatchEvent(new CustomEvent("job", { detail: frame.job }));
      return;
    }
    if (this.#catching) {
      this.#queue.push(frame);
      return;
    }
    if (!this.#store.apply(frame)) {
      this.#queue.push(frame);
      this.#catchUp();
    }
  }

  /** GETs what is missing between the last event seen and the one that came. */
  async #catchUp() {
    this.#catching = true;
    try {
      for (;;) {
        const answer = await fetch(`${this.#eventsPath}?after=${this.#store.search.seq}`, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(`events: HTTP ${answer.status}`);
        const { events } = await answer.json();
        for (const event of events) this.#store.apply(event);
        if (events.length === 0) break;
      }
      for (const frame of this.#queue) this.#store.apply(frame);
    } catch {
      this.#connection.restart(); // the server is away: the next connection starts from the last event seen
    } finally {
      this.#queue = [];
      this.#catching = false;
    }
  }
}
