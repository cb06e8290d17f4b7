// A WebSocket that stays: silence counts as being cut off, and it connects again with backoff until the page goes.

const WAITS = [500, 1000, 2000, 4000, 8000];
const SILENCE = 20_000; // the server says something every second; this long without a word: not connected

export class Connection {
  #path;
  #onFrame;
  #onChange;
  #socket = null;
  #connected = false;
  #failures = 0;
  #heard = performance.now();
  #timer = 0;

  /** `path()` is where it connects to, asked each time; `onChange(connected)` is called as the connection comes and goes. */
  constructor(path, onFrame, onChange) {
    this.#path = path;
    this.#onFrame = onFrame;
    this.#onChange = onChange;
    addEventListener("online", () => this.#again(0));
    addEventListener("pagehide", () => this.#drop());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    setInterval(() => this.#watch(), 5000);
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.#path()}`);
    this.#socket = socket;
    this.#heard = performance.now();
    socket.addEventListener("message", (message) => socket === this.#socket && this.#take(JSON.parse(message.data)));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#lost(event.code));
  }

  /** Begins anew, after a while. */
  restart() {
    this.#drop();
    this.#lost(1006);
  }

  /** Only a word from the server counts as being connected. */
  #take(frame) {
    this.#heard = performance.now();
    if (!this.#connected) {
      this.#connected = true;
      this.#failures = 0;
      this.#onChange(true);
    }
    this.#onFrame(frame);
  }

  #watch() {
    if (this.#socket && performance.now() - this.#heard > SILENCE && !document.hidden) this.restart();
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
    this.#onChange(false);
    if (code === 4401 || code === 4403 || code === 4404) {
      location.reload(); // signed out, or no longer allowed: the server says which
      return;
    }
    const wait = WAITS[Math.min(this.#failures, WAITS.length - 1)];
    this.#failures += 1;
    this.#again(wait * (0.75 + Math.random() / 2));
  }

  #again(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#socket === null && this.open(), milliseconds);
  }
}
