// What a background tab shows: progress in title and favicon, and one notification at the end for who asked for it.
// Drawn at once: a tab in the background has no animation frames.

import { byId, colours, h, onThemeChange, setText } from "./dom.js";
import { percent } from "./format.js";

const KEY = "nash-notify";
const UNDER_WAY = new Set(["waiting", "running", "paused"]);

export class Tab {
  #store;
  #icon = document.querySelector("link[rel=icon]");
  #plain = this.#icon.href; // the favicon of all pages
  #drawn = null;
  #button = byId("notify");
  #was;
  #canNotify = canNotify();

  constructor(store) {
    this.#store = store;
    this.#was = store.search.status;
    store.listen((changed) => {
      if (!changed.search) return;
      this.#draw();
      this.#ended();
    });
    onThemeChange(() => {
      this.#drawn = null;
      this.#draw();
    });
    this.#button?.addEventListener("click", () => this.#ask());
    this.#draw();
  }

  get #part() {
    const { epochs_done: done, epochs_total: total } = this.#store.search;
    return Math.floor((100 * Math.min(done, total)) / total);
  }

  #draw() {
    const { name, status } = this.#store.search;
    const moves = status === "running" || status === "paused";
    document.title = moves ? `${this.#part}\u202f% · ${name}` : `${name} · ${status}`;
    const wanted = moves ? `${status} ${this.#part}` : status;
    if (wanted !== this.#drawn) this.#icon.href = moves ? ring(this.#part / 100, status === "paused") : this.#plain;
    this.#drawn = wanted;
    this.#offer(UNDER_WAY.has(status));
  }

  // ------------------------------------------------------------------ the notification

  get #wanted() {
    return globalThis.Notification?.permission === "granted" && isKept();
  }

  #offer(underWay) {
    if (!this.#button) return;
    this.#button.hidden = !underWay || !this.#canNotify;
    this.#button.setAttribute("aria-pressed", String(this.#wanted));
    const refused = globalThis.Notification?.permission === "denied";
    this.#button.title = refused ? "The browser refuses notifications of this site: allow them in its settings." : "A notification of the browser when a search that is open in a tab has ended.";
    setText(this.#button.querySelector("[data-words]"), this.#wanted ? "Tells you at the end" : "Tell me at the end");
  }

  /** The browser is asked only here, by the click of somebody. */
  async #ask() {
    const wanted = !this.#wanted;
    if (wanted && Notification.permission !== "granted") await Notification.requestPermission();
    keep(wanted && Notification.permission === "granted");
    this.#draw();
  }

  #ended() {
    const { status, name } = this.#store.search;
    const before = this.#was;
    this.#was = status;
    if (!UNDER_WAY.has(before) || UNDER_WAY.has(status) || !this.#wanted) return;
    const error = this.#store.testAccuracy;
    const body = status === "finished" && error !== null ? `Finished: ${percent(1 - error)} test error.` : `It has ${{ stopped: "been stopped", failed: "failed" }[status] ?? status}.`;
    const note = made(name, { body, icon: this.#plain, tag: this.#store.search.uuid });
    note?.addEventListener("click", () => {
      focus();
      note.close();
    });
  }
}

/** A notification, or null where the browser makes none: those of Android have the class and throw. */
function made(title, options) {
  try {
    return new Notification(title, options);
  } catch {
    return null;
  }
}

/** Nothing is shown by trying as long as nobody has allowed it. */
function canNotify() {
  const { Notification: known } = globalThis;
  return known !== undefined && (known.permission === "granted" || made("", {}) !== null);
}

function isKept() {
  try {
    return localStorage.getItem(KEY) === "yes";
  } catch {
    return false; // storage is off: nothing is promised
  }
}

function keep(wanted) {
  try {
    localStorage.setItem(KEY, wanted ? "yes" : "no");
  } catch {
    // storage is off: the button stays as it was
  }
}

/** A ring that is filled by `share`, as a PNG; paused: with a gap in place of colour. */
function ring(share, paused) {
  const canvas = h("canvas", { width: 64, height: 64 });
  const pen = canvas.getContext("2d");
  const [track, done] = colours("line-strong", paused ? "ink-3" : "accent");
  pen.lineWidth = 14;
  for (const [color, to] of [[track, 1], [done, Math.max(0.02, share)]]) {
    pen.strokeStyle = color;
    pen.beginPath();
    pen.arc(32, 32, 24, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * to);
    pen.stroke();
  }
  return canvas.toDataURL();
}
