// What the live pages share: the snapshot they begin with and the channel that keeps it true.

import { byId } from "./dom.js";
import { Channel } from "./socket.js";
import { Store } from "./state.js";

export function openStore() {
  const store = new Store(JSON.parse(byId("snapshot").textContent));
  globalThis.nash = store; // for the console: what the page knows
  return store;
}

/** Says "connected" to the document whenever a connection that was lost is there again. */
export function goLive(store, onChange) {
  const { socket, events } = byId("search").dataset;
  let isFirst = true;
  const change = (connected) => {
    if (connected && !isFirst) document.dispatchEvent(new CustomEvent("connected"));
    if (connected) isFirst = false;
    onChange(connected);
  };
  new Channel(store, { socketPath: socket, eventsPath: events, onChange: change }).open();
}
