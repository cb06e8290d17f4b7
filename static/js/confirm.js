// A form with data-confirm says in words what will happen before it does it. Its button is off until this runs, so
// that a click that comes early does nothing rather than something unasked.

import { byId } from "./dom.js";

/** `isOver()`: the final model is there already; a form may then say something else (data-confirm-over). */
export function confirmForms(isOver = () => false) {
  const dialog = byId("confirm");
  if (!dialog) return; // somebody else's search: no buttons
  let form = null;
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-confirm]")) return;
    event.preventDefault();
    form = event.target;
    const { title, titleOver, confirm, confirmOver, yes } = form.dataset;
    const over = isOver();
    byId("confirm-title").textContent = (over && titleOver) || title;
    byId("confirm-words").textContent = (over && confirmOver) || confirm;
    byId("confirm-yes").textContent = yes;
    byId("confirm-yes").className = `btn ${"danger" in form.dataset ? "btn-danger" : "btn-primary"}`;
    dialog.showModal();
  });
  for (const button of document.querySelectorAll("form[data-confirm] button:disabled")) button.disabled = false;
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") form?.submit(); // the method asks no further: it fires no submit event
    dialog.returnValue = "";
  });
}
