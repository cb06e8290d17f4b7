// The morphisms that were drawn: how often, how often in a winner, what their children gained. Of this search, or of all.

import { offerData } from "./data.js";
import { byId, h, icon, oncePerFrame, replaceKeepingFocus, segmented, setRows, setText } from "./dom.js";
import { count, plural, points } from "./format.js";

const FEW = 3; // children below which a mean says nothing

export class Operators {
  #store;
  #panel = byId("operators");
  #of = "this";
  #all = null; // {operators, n_searches}, once somebody asked for it
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    store.listen((changed) => changed.kind === "step_decided" && this.#decided());
    store.listen((changed) => changed.search && this.#draw());
    offerData("operators", () => this.#data());
    this.#show();
  }

  #decided() {
    if (this.#of === "all") this.#fetch();
  }

  async #fetch() {
    const answer = await fetch(this.#panel.dataset.all, { headers: { Accept: "application/json" } }).catch(() => null);
    if (answer?.ok) this.#all = await answer.json();
    else if (this.#all === null) this.#of = "this"; // the server is away
    this.#draw();
  }

  #choose(of) {
    this.#of = of;
    if (of === "all") this.#fetch();
    else this.#draw();
  }

  get #rows() {
    return this.#of === "all" && this.#all ? this.#all.operators : this.#store.search.operators;
  }

  #show() {
    const rows = this.#rows;
    const drawn = rows.some((row) => row.drawn);
    replaceKeepingFocus(byId("operators-tools"), segmented("Of which searches", [["this", "This search"], ["all", "All"]], this.#of, (of) => this.#choose(of)));
    byId("operators-empty").hidden = drawn;
    byId("operators-table").hidden = !drawn;
    setRows(byId("operators-body"), rows.map(line));
    setText(byId("operators-note"), this.#note(drawn));
  }

  #note(drawn) {
    const of = this.#of === "all" && this.#all ? ` Over ${plural(this.#all.n_searches, "search").replace("searchs", "searches")} with a decided step.` : " Over the decided steps.";
    return drawn ? `Gain: accuracy of the children that carry it, minus that of the parent’s own slot, trained for as many epochs; ± is a 95\u202f% interval. A child carries several morphisms, so gains are shared.${of}` : "";
  }

  #data() {
    const of = this.#of === "all" ? "all searches" : "this search";
    const columns = ["morphism", "drawn", "in a winner", "children with a gain", "mean gain", "half width of its 95 % interval"];
    return { title: `Morphisms of ${of}`, columns, rows: this.#rows.map((r) => [r.kind, r.drawn, r.won, r.children, r.mean, r.half]) };
  }
}

function line(row) {
  return h(
    "tr",
    { "data-id": row.kind },
    h("th", { scope: "row" }, icon(row.kind), ` ${row.kind}`),
    h("td", { class: "num" }, count(row.drawn)),
    h("td", { class: "num" }, count(row.won)),
    h("td", { class: "num" }, gain(row)),
  );
}

function gain({ children, mean, half }) {
  if (children < FEW) return h("span", { class: "muted" }, children ? "too few children" : "–");
  return [h("strong", null, points(mean)), h("span", { class: "muted" }, ` ± ${(100 * half).toFixed(2)}`)];
}
