// A menu button: arrows, Home and End walk it, a letter leaps, Escape and Tab close it, a click beside it too.

import { byId } from "./dom.js";

export class Menu {
  #button;
  #menu;

  constructor(buttonId) {
    this.#button = byId(buttonId);
    if (!this.#button) return; // somebody else's search
    this.#menu = byId(this.#button.getAttribute("aria-controls"));
    this.#button.disabled = false;
    this.#button.addEventListener("click", () => (this.#menu.hidden ? this.#open() : this.#close()));
    this.#button.addEventListener("keydown", (event) => this.#keyOnButton(event));
    this.#menu.addEventListener("keydown", (event) => this.#keyInMenu(event));
    this.#menu.addEventListener("click", (event) => event.target.closest("[role=menuitem]:not([aria-disabled])") && this.#close(true));
    document.addEventListener("pointerdown", (event) => this.#menu.parentElement.contains(event.target) || this.#close());
  }

  /** What can be chosen now: hidden ones are not offered; disabled ones can be reached, to be read. */
  get #items() {
    return [...this.#menu.querySelectorAll("[role=menuitem]")].filter((item) => !item.closest("[hidden]"));
  }

  #open(last = false) {
    this.#menu.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.#items.at(last ? -1 : 0)?.focus();
  }

  #close(giveFocus = false) {
    if (this.#menu.hidden) return;
    this.#menu.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    if (giveFocus) this.#button.focus();
  }

  #keyOnButton(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    this.#open(event.key === "ArrowUp");
  }

  #keyInMenu(event) {
    const items = this.#items;
    const here = items.indexOf(document.activeElement);
    const places = { ArrowDown: (here + 1) % items.length, ArrowUp: (here - 1 + items.length) % items.length, Home: 0, End: items.length - 1 };
    if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.preventDefault();
      this.#close(true); // Tab then goes on from the button
    } else if (event.key in places) {
      event.preventDefault();
      items[places[event.key]]?.focus();
    } else if (event.key.length === 1 && event.key !== " ") {
      const after = [...items.slice(here + 1), ...items.slice(0, here + 1)];
      after.find((item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    }
  }
}
