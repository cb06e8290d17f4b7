// The chosen network: its drawing against its parent, its size, and the morphisms that made it.

import { byId, h, icon, setChildren, setText } from "./dom.js";
import { count, percent, short } from "./format.js";
import { SaveDrawing } from "./save-drawing.js";
import { slideInto } from "./slide.js";
import { isComparison, isParentSlot, isTested } from "./state.js";
import { drawing } from "./svg-source.js";
import { STATUS_WORDS, morphismWords } from "./words.js";

export class Network {
  #store;
  #box = byId("network-drawing");
  #width;
  #inline; // drawn by the server already, for this width
  #url = null;
  #records = new Map(); // id -> how a network was made from its parent: [{detail, parameters_gained}], with its drawing
  #save = new SaveDrawing(byId("network-save"));

  constructor(store) {
    this.#store = store;
    this.#inline = this.#box.firstElementChild !== null;
    this.#width = this.#inline ? Number(this.#box.dataset.width) : 0;
    store.listen((changed) => (changed.choice || changed.search || changed.candidates.size) && this.#show());
    document.addEventListener("connected", () => this.#show()); // what could not be fetched can be now
    new ResizeObserver(() => this.#fit()).observe(this.#box);
    this.#show();
  }

  /** A network that is drawn in columns from some width on has the whole of it; any other would only be stretched. */
  #fit() {
    const room = this.#box.clientWidth;
    const most = room >= Number(this.#box.dataset.columnsFrom ?? Infinity) ? 1600 : 560;
    const width = Math.min(most, Math.max(280, room));
    if (Math.abs(width - this.#width) < 24) return;
    this.#width = width;
    this.#show();
  }

  #show() {
    const { chosen } = this.#store;
    if (!chosen) return;
    const parent = this.#store.parentOf(chosen);
    setText(byId("network-h"), chosen.kind === "final" ? "The final network" : `Network ${isComparison(chosen) ? `“${chosen.code}”` : chosen.code}`);
    setText(byId("network-sub"), `${count(chosen.n_parameters)} parameters · ${short(chosen.n_macs)} MACs · ${this.#standing(chosen)}`);
    const link = byId("network-open");
    if (link) {
      link.href = chosen.url;
      setText(link.querySelector("span"), `Open ${chosen.code}`);
    }
    const built = chosen.kind === "reference" && chosen.digest !== this.#store.row(0)[0]?.digest; // not by the search
    byId("legend-reference").hidden = !built;
    byId("legend-parent").hidden = built;
    this.#morphisms(chosen, parent);
    if (this.#width) this.#draw(chosen, parent);
  }

  #standing(candidate) {
    const store = this.#store;
    if (candidate.test_accuracy !== null) return `${percent(1 - candidate.test_accuracy)} test error`;
    if (isTested(candidate)) return candidate.status === "running" ? "trains on training + validation set" : STATUS_WORDS[candidate.status];
    if (candidate.id === store.leaderOf(store.rowOf(candidate))?.id) return candidate.step ? `leads step ${candidate.step}` : "pretrained";
    if (candidate.winner) return candidate.step ? `won step ${candidate.step}` : percent(candidate.val_accuracy);
    return candidate.val_accuracy === null ? STATUS_WORDS[candidate.status] : percent(candidate.val_accuracy);
  }

  /** The list under the drawing; the page of one candidate has one of its own, with more in it. */
  #morphisms(chosen, parent) {
    if (!byId("network-morphisms")) return;
    const gain = parent ? chosen.n_parameters - parent.n_parameters : 0;
    setText(byId("network-against"), parent ? `Against its parent ${parent.code}` : "How it began");
    const record = this.#records.get(chosen.id) ?? [];
    const items = chosen.morphisms.map((m, i) => h("li", null, icon(m.kind), h("span", null, h("strong", null, m.words), made(record[i])), gained(record[i])));
    const none = h("li", null, icon("info"), h("span", null, morphismWords(chosen)));
    const notes = chosen.notes.map((note) => h("li", { class: "muted" }, icon("info"), h("span", null, note)));
    setChildren(byId("network-morphisms"), items.length ? items : none, notes);
    const words = parent && !isParentSlot(chosen) && chosen.kind === "neighbour" ? `${signed(gain)} parameters, ${count(parent.n_parameters)} before` : "";
    setText(byId("network-gain"), words);
  }

  async #draw(chosen, parent) {
    const against = parent && parent.digest !== chosen.digest ? `against=${parent.digest}&of=${chosen.id}&` : "";
    const [path, version] = this.#box.dataset.src.replace("DIGEST", chosen.digest).split("?");
    const url = `${path}?${against}width=${this.#width}&${version}`;
    this.#save.offer(chosen, this.#width);
    if (url === this.#url) return;
    this.#url = url;
    if (this.#inline) {
      this.#inline = false;
      return;
    }
    const skeleton = setTimeout(() => this.#box.classList.add("is-loading"), 200);
    try {
      const fresh = await drawing(url, { immutable: true });
      const record = fresh.querySelector("metadata");
      if (record) this.#records.set(chosen.id, JSON.parse(record.textContent));
      if (url !== this.#url) return;
      this.#morphisms(chosen, parent);
      slideInto(this.#box, fresh);
    } catch {
      if (url === this.#url) this.#missing(chosen);
    } finally {
      clearTimeout(skeleton);
      this.#box.classList.remove("is-loading");
    }
  }

  /** Another network's drawing must not stand under this one's name. It is asked for again at the next change. */
  #missing({ code }) {
    this.#url = null;
    const words = `The drawing of ${code} is not here: the server did not answer. It comes once the connection is back, or when you choose the network again.`;
    this.#box.replaceChildren(h("p", { class: "panel-sub" }, words));
  }
}

const signed = (n) => `${n < 0 ? "−" : "+"}${count(Math.abs(n))}`;
const made = (change) => change && h("span", { class: "muted" }, change.detail);
const gained = (change) => h("span", { class: "num muted" }, change && signed(change.parameters_gained));
