// The event log in words, newest first.

import { byId, h, icon, oncePerFrame, replaceKeepingFocus, segmented, setRows } from "./dom.js";
import { clock, when } from "./format.js";

const FIRST = 12; // lines before somebody asks for more
const MORE = 50;
const ROUTINE = new Set(["epoch", "seal"]); // told line by line only to who asks for everything
const ICONS = { info: "info", decision: "flag", warning: "warn", error: "cross" };

export class Log {
  #store;
  #level = "main";
  #shown = FIRST;
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    store.listen((changed) => changed.line && this.#draw());
    this.#show();
  }

  #lines() {
    const wanted = {
      main: (line) => !ROUTINE.has(line.kind) || line.level !== "info",
      decision: (line) => line.level === "decision",
      warning: (line) => line.level === "warning" || line.level === "error",
      all: () => true,
    }[this.#level];
    return this.#store.log.filter((line) => line.words && wanted(line)).reverse();
  }

  #show() {
    const lines = this.#lines();
    this.#tools();
    setRows(byId("log-list"), lines.slice(0, this.#shown).map((line) => this.#line(line)));
    byId("log-empty").hidden = lines.length > 0;
    const hidden = lines.length - this.#shown;
    const more = byId("log-more");
    more.hidden = hidden <= 0;
    more.textContent = `${hidden} earlier event${hidden === 1 ? "" : "s"}`;
    more.onclick = () => {
      this.#shown += MORE;
      this.#show();
    };
  }

  #tools() {
    const bad = this.#store.log.filter((line) => line.level === "warning" || line.level === "error").length;
    const options = [["main", "Main"], ["decision", "Decisions"], ["warning", `Warnings ${bad}`], ["all", "All"]];
    const tools = segmented("Level", options, this.#level, (level) => {
      this.#level = level;
      this.#show();
    });
    replaceKeepingFocus(byId("log-tools"), tools);
  }

  #line(line) {
    const began = new Date(this.#store.search.started ?? this.#store.search.created).getTime();
    const since = (new Date(line.at).getTime() - began) / 1000;
    return h(
      "li",
      { class: `log-${line.level}`, "data-id": line.seq },
      h("span", { class: "log-seq" }, line.seq),
      h("time", { datetime: line.at, title: when(line.at) }, clock(since)),
      icon(line.kind === "seal" && line.level === "info" ? "check" : ICONS[line.level], line.kind === "seal" ? "log-seal" : ""),
      h("span", null, line.words),
    );
  }
}
