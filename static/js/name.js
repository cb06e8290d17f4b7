// The name of the search, written over in place; a name and tags that somebody else gives it are followed.

import { byId, h, isRefusal, oncePerFrame, setText } from "./dom.js";

export class Name {
  #store;
  #form = byId("name-form"); // null: somebody else's search

  constructor(store) {
    this.#store = store;
    store.listen(oncePerFrame(() => this.#show()));
    this.#show();
    if (!this.#form) return;
    byId("name-edit").addEventListener("click", () => this.#open());
    byId("name-cancel").addEventListener("click", () => this.#close());
    this.#form.addEventListener("keydown", (event) => event.key === "Escape" && this.#close());
    this.#form.addEventListener("submit", (event) => this.#save(event));
  }

  #show() {
    const { name, tags } = this.#store.search;
    setText(byId("name"), name);
    setText(byId("crumb-name"), name);
    const chips = byId("chips");
    for (const tag of chips.querySelectorAll(".tag")) tag.remove();
    chips.append(...tags.map((tag) => h("li", { class: "tag" }, tag)));
  }

  #open() {
    byId("name-field").value = this.#store.search.name;
    this.#swap(true);
    byId("name-field").select();
  }

  #close() {
    this.#swap(false);
    byId("name-edit").focus();
  }

  #swap(editing) {
    this.#form.hidden = !editing;
    byId("name-line").hidden = editing;
    this.#error("");
  }

  #error(words) {
    setText(byId("name-error"), words);
    byId("name-field").toggleAttribute("aria-invalid", words !== "");
  }

  /** The new name is shown when its event comes, as everywhere else. */
  async #save(event) {
    event.preventDefault();
    const answer = await fetch(this.#form.action, { method: "POST", body: new FormData(this.#form) }).catch(() => null);
    if (answer?.status === 204) this.#close();
    else if (answer && isRefusal(answer)) this.#error(await answer.text());
    else this.#error("Not saved: the server does not answer. Try again.");
  }
}
