// The live channel: reconnects with backoff from the last event seen, and closes gaps by GET of the same log.

const WAITS = [500, 1000, 2000, 4000, 8000];
const SILENCE = 20_000; // a worker or the server says something every second; this long without a word: not connected

export class Channel {
  #store;
  #socketPath;
  #eventsPath;
  #socket = null;
  #connected = false;
  #failures = 0;
  #catching = false;
  #queue = [];
  #heard = performance.now();

  /** `onChange(connected)` is called whenever the connection comes or goes. */
  constructor(store, { socketPath, eventsPath, onChange }) {
    this.#store = store;
    this.#socketPath = socketPath;
    this.#eventsPath = eventsPath;
    this.onChange = onChange;
    addEventListener("online", () => this.#again(0));
    addEventListener("pagehide", () => this.#drop());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    setInterval(() => this.#watch(), 5000);
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.#socketPath}?after=${this.#store.search.seq}`);
    this.#socket = socket;
    this.#heard = performance.now();
    socket.addEventListener("message", (message) => socket === this.#socket && this.#take(JSON.parse(message.data)));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#lost(event.code));
  }

  /** A word from the server, which says something every second: only that counts as being connected. */
  #take(frame) {
    this.#heard = performance.now();
    if (!this.#connected) {
      this.#connected = true;
      this.#failures = 0;
      this.onChange(true);
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
      this.#drop(); // the server is away: the next connection starts from the last event seen
      this.#lost(1006);
    } finally {
      this.#queue = [];
      this.#catching = false;
    }
  }

  #watch() {
    if (this.#socket && performance.now() - this.#heard > SILENCE && !document.hidden) {
      this.#drop();
      this.#lost(1006);
    }
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    // A socket that is closed while it connects makes the browser complain: it is closed when it has connected.
    if (socket?.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close());
    else socket?.close();
  }

  #lost(code) {
    this.#socket = null;
    this.#connected = false;
    this.onChange(false);
    if (code === 4401 || code === 4403 || code === 4404) {
      location.reload(); // signed out, or no longer allowed: the server says which
      return;
    }
    const wait = WAITS[Math.min(this.#failures, WAITS.length - 1)];
    this.#failures += 1;
    this.#again(wait * (0.75 + Math.random() / 2));
  }

  #again(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#socket === null && this.open(), milliseconds);
  }
}
