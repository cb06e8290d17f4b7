// What the live pages share: the snapshot they begin with and the channel that keeps it true.

import { byId } from "./dom.js";
import { Channel } from "./socket.js";
import { Store } from "./state.js";

export function openStore() {
  const store = new Store(JSON.parse(byId("snapshot").textContent));
  globalThis.nash = store; // for the console: what the page knows
  return store;
}

export function goLive(store, onChange) {
  const { socket, events } = byId("search").dataset;
  new Channel(store, { socketPath: socket, eventsPath: events, onChange }).open();
}
