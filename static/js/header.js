// The top of the page: state in words, budget bar, figures.

import { byId, h, oncePerFrame, setChildren, setText } from "./dom.js";
import { about, bytes, count, duration, percent, plural, plusMinus, short, sum, when } from "./format.js";
import { tellOffline } from "./offline.js";
import { hasEnded } from "./state.js";
import { isRefused, stateWords } from "./words.js";

const ENDED = new Set(["finished", "stopped", "failed"]);

export class Header {
  #store;
  #heartbeat;
  #since = null;
  #built = null; // what the budget bar was built for
  #show = oncePerFrame(() => this.#draw());

  constructor(store, heartbeat) {
    this.#store = store;
    this.#heartbeat = heartbeat;
    store.listen(() => this.#show());
    this.#draw();
  }

  /** Every second, by the page's own clock. */
  tick() {
    this.#show();
  }

  connection(connected) {
    this.#store.connected = connected;
    if (connected) this.#since = null;
    else this.#since ??= performance.now();
    this.#show();
  }

  #draw() {
    this.#state();
    this.#mark();
    this.#connection();
    this.#budget();
    this.#fill();
    this.#figures();
    this.#foot();
  }

  #state() {
    const { tone, strong, rest } = stateWords(this.#store, this.#heartbeat.silence);
    const element = byId("state");
    element.className = `state-words state-${tone}`;
    setText(element.querySelector("strong"), strong);
    setText(element.querySelector("[data-rest]"), rest);
    byId("status").dataset.tone = tone;
    byId("beat").hidden = ENDED.has(this.#store.search.status) || this.#store.search.deleted !== null;
  }

  /** With which engine versions it was made, where it went on with another. */
  #mark() {
    const { engine, went_on: marks } = this.#store.search;
    byId("chip-engine").hidden = marks.length === 0;
    setText(byId("chip-engine"), `engine ${engine}`);
  }

  #connection() {
    const goesOn = ENDED.has(this.#store.search.status) ? "This page" : "The search goes on; this page";
    tellOffline(this.#since, `${goesOn} catches up by itself.`);
  }

  // ------------------------------------------------------------------ budget bar

  /** One cell for each training, as wide as its epochs; a step is one cell where they would be too thin to see. */
  #budget() {
    const { config, comparison_lengths: lengths } = this.#store.search;
    const compared = config.comparisons.flatMap((name) => lengths[name]);
    const wanted = [config.n_steps, ...compared].join(); // an extended search has more steps, a finished one fewer
    if (this.#built === wanted) return;
    this.#built = wanted;
    setText(byId("chip-n_steps"), `n_steps ${count(config.n_steps)}`);
    const many = config.n_steps * config.n_neigh > 96;
    const step = (i) => ({
      row: i,
      name: `Step ${i}`,
      narrow: String(i),
      epochs: config.n_neigh * config.epoch_neigh,
      cells: many ? 1 : config.n_neigh,
    });
    const groups = [
      { row: 0, name: "Pretraining", narrow: "Pre", epochs: config.epoch_pretrain, cells: 1 },
      ...Array.from({ length: config.n_steps }, (_, i) => step(i + 1)),
      { row: config.n_steps + 1, name: "Final training", narrow: "Final", epochs: config.epoch_final, cells: 1 },
    ];
    if (compared.length) groups.push({ row: this.#store.comparisonRow, name: "Comparisons", narrow: "Comp.", epochs: sum(compared), cells: compared.length, widths: compared });
    const elements = groups.map((group) => {
      const cells = Array.from({ length: group.cells }, (_, i) => {
        const cell = h("span", { class: "cell" }, h("span", { class: "cell-fill" }));
        if (group.widths) cell.style.flexGrow = group.widths[i];
        return cell;
      });
      const element = h(
        "li",
        { class: "budget-group", "data-row": group.row },
        h("span", { class: "cells" }, cells),
        h("span", { class: "budget-name" }, h("span", { class: "only-wide" }, group.name), h("span", { class: "only-narrow" }, group.narrow)),
        h("span", { class: "budget-epochs only-wide" }, plural(group.epochs, "epoch")),
      );
      element.style.flexGrow = group.epochs;
      return element;
    });
    byId("budget").replaceChildren(...elements);
  }

  #fill() {
    const { search, rowNow } = this.#store;
    for (const group of byId("budget").children) {
      const row = Number(group.dataset.row);
      const candidates = this.#store.row(row);
      const cells = [...group.querySelectorAll(".cell-fill")];
      const share = (c) => (hasEnded(c) && !(c.status === "cancelled" && search.status === "stopped") ? 1 : Math.min(1, c.epoch / c.epochs));
      const shares = cells.length === 1 && row <= this.#store.nSteps ? [this.#meanShare(candidates, row, share)] : candidates.map(share);
      group.toggleAttribute("data-now", row === rowNow && !ENDED.has(search.status));
      cells.forEach((cell, i) => cell.style.setProperty("transform", `scaleX(${(shares[i] ?? 0).toFixed(3)})`));
    }
    const bar = byId("budget-bar");
    const done = Math.min(search.epochs_total, search.epochs_done);
    bar.setAttribute("aria-valuemax", search.epochs_total);
    bar.setAttribute("aria-valuenow", Math.floor(done));
    bar.setAttribute("aria-valuetext", `${count(Math.floor(done))} of ${count(search.epochs_total)} epochs`);
  }

  #meanShare(candidates, row, share) {
    const slots = row === 0 ? 1 : this.#store.search.config.n_neigh;
    return candidates.reduce((sum, c) => sum + share(c), 0) / slots;
  }

  // ------------------------------------------------------------------ figures

  #figures() {
    const { search, best } = this.#store;
    this.#figure("accuracy", this.#accuracy(best), this.#lead(best));
    this.#figure("parameters", best ? count(best.n_parameters) : "–", this.#growth(best));
    this.#figure("left", this.#left(), this.#ends());
    this.#figure("spent", duration(search.seconds_spent), `${search.started ? `began ${when(search.started)}` : `launched ${when(search.created)}`}; ${bytes(search.disk_bytes)} on disk`);
    const { epoch_pretrain: pre, n_steps: steps, n_neigh: neigh, epoch_neigh: each, epoch_final: final, comparisons } = search.config;
    const compared = sum(comparisons.flatMap((name) => search.comparison_lengths[name]));
    const done = count(Math.floor(Math.min(search.epochs_done, search.epochs_total)));
    this.#figure("epochs", [done, h("span", { class: "pm" }, ` of ${count(search.epochs_total)}`)], `${count(pre)} + ${count(steps)} × ${count(neigh)} × ${count(each)} + ${count(final)}${compared ? ` + ${count(compared)}` : ""}`);
  }

  #figure(name, value, hint) {
    setChildren(byId(`figure-${name}`), value);
    setText(byId(`hint-${name}`), hint);
  }

  #accuracy(best) {
    if (!best || best.val_accuracy === null) return "–";
    const half = plusMinus(best.val_accuracy, this.#store.search.dataset.n_validation);
    return [percent(best.val_accuracy), h("span", { class: "pm" }, ` ± ${(100 * half).toFixed(2)}`)];
  }

  #lead(best) {
    if (!best || best.val_accuracy === null) return "known when the pretraining has ended";
    const where = best.step === 0 ? "pretraining" : `step ${best.step}`;
    const decides = this.#store.search.config.selection === "balanced" ? `balanced ${percent(best.val_balanced)}, which decides; ` : "";
    const leader = this.#store.leaderOf(this.#store.openRow);
    const lead = leader && leader.id !== best.id && leader.kind === "neighbour" ? `. Leads in step ${leader.step}: ${leader.code} with ${percent(this.#store.measure(leader))}` : "";
    return `${decides}${best.code}, ${where}${lead}`;
  }

  #growth(best) {
    const first = this.#store.row(0)[0];
    if (!best || !first) return "";
    const factor = best.n_parameters / first.n_parameters;
    const bound = `bound ${short(this.#store.search.config.max_parameters)}`;
    return best.id === first.id ? `model_0; ${bound}` : `× ${factor.toFixed(1)} of model_0; ${bound}`;
  }

  #left() {
    const { status, seconds_left: left } = this.#store.search;
    if (ENDED.has(status) || status === "paused" || isRefused(this.#store)) return "–";
    return left === null ? "not known yet" : about(left);
  }

  #ends() {
    const { status, seconds_left: left, ended } = this.#store.search;
    if (ENDED.has(status)) return ended ? `ended ${when(ended)}` : "";
    if (status === "paused" || isRefused(this.#store)) return "known again once it goes on";
    return left === null ? "after the first epochs" : `ends near ${when(Date.now() + left * 1000)}, ${this.#store.search.config.comparisons.length ? "comparisons" : "final training"} included`;
  }

  // ------------------------------------------------------------------ the limits it was given

  #foot() {
    const { hours_limit: hours, accuracy_goal: goal, config } = this.#store.search;
    const measure = config.selection === "balanced" ? "balanced validation accuracy" : "validation accuracy";
    const limits = [hours !== null && `${hours}\u202fh`, goal !== null && `${Number((100 * goal).toFixed(2))}\u202f% ${measure}`].filter(Boolean);
    byId("status-foot").hidden = limits.length === 0;
    setText(byId("status-foot"), `Budget: ${limits.join(" or ")}; then no further training of a step begins, and the best so far gets its final training.`);
  }
}
