// Notes and tags of the search, or of the training, that the page is about: shown, written in place, followed.

import { byId, isRefusal, setText } from "./dom.js";

const FOLLOWED = new Set(["noted", "tagged"]);

export class Notes {
  #panel = byId("notes");
  #form = byId("notes-form"); // null: somebody else's search

  constructor(store) {
    store.listen((changed) => FOLLOWED.has(changed.kind) && this.#fetch());
    if (!this.#form) return;
    byId("notes-edit").addEventListener("click", () => this.#open());
    byId("notes-cancel").addEventListener("click", () => this.#close());
    this.#form.addEventListener("submit", (event) => this.#save(event));
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#close();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#form.requestSubmit();
    });
  }

  #open() {
    this.#error("");
    byId("notes-note").value = byId("notes-source").value;
    byId("notes-tags").value = byId("notes-source-tags").value;
    this.#show(true);
    byId("notes-note").focus();
  }

  #close() {
    this.#show(false);
    byId("notes-edit").focus();
  }

  #show(editing) {
    this.#form.hidden = !editing;
    byId("notes-body").hidden = editing;
    byId("notes-edit").hidden = editing;
  }

  #error(words) {
    byId("notes-error").hidden = words === "";
    setText(byId("notes-error"), words);
  }

  async #save(event) {
    event.preventDefault();
    try {
      const answer = await fetch(this.#form.action, { method: "POST", body: new FormData(this.#form) });
      const text = await answer.text();
      if (isRefusal(answer)) this.#error(text);
      else if (!answer.ok) this.#error(`Not saved: the server answered ${answer.status}. What you wrote is still here.`);
      else {
        this.#take(text);
        this.#close();
      }
    } catch {
      this.#error("Not saved: the server does not answer. What you wrote is still here; save it again.");
    }
  }

  /** What somebody else wrote, rendered by the server. */
  async #fetch() {
    const answer = await fetch(this.#panel.dataset.src).catch(() => null);
    if (answer?.ok) this.#take(await answer.text());
  }

  #take(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html"); // sanitised by the server; scripts in it never run
    byId("notes-body").replaceChildren(...parsed.body.childNodes);
  }
}
