// What cannot be taken back is asked first, in words. A form with data-confirm does so by itself; its button is off
// until this runs, so that a click that comes early does nothing rather than something unasked.

import { byId } from "./dom.js";

/** Asks by the page's one dialog; whether the answer is yes. Escape and "Leave it" are no. */
export function ask({ title, words, yes, danger }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-words").textContent = words;
  byId("confirm-yes").textContent = yes;
  byId("confirm-yes").className = `btn ${danger ? "btn-danger" : "btn-primary"}`;
  dialog.returnValue = ""; // Escape leaves the answer to the question before
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** `isOver()`: the final model is there already; a form may then say something else (data-confirm-over). */
export function confirmForms(isOver = () => false) {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-confirm]")) return;
    event.preventDefault();
    const { title, titleOver, confirm, confirmOver, yes } = form.dataset;
    const over = isOver();
    const question = { title: (over && titleOver) || title, words: (over && confirmOver) || confirm, yes, danger: "danger" in form.dataset };
    if (await ask(question)) form.submit(); // the method asks no further: it fires no submit event
  });
  for (const button of document.querySelectorAll("form[data-confirm] button:disabled")) button.disabled = false;
}
