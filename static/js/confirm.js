// Pause and stop say in words what will happen before they do it. Their buttons are off until this runs, so that
// a click that comes early does nothing rather than something unasked.

import { byId } from "./dom.js";

/** Where the final model is there already, a form may say something else (data-confirm-over). */
export function confirmForms(store) {
  const dialog = byId("confirm");
  if (!dialog) return; // somebody else's search: no buttons
  let form = null;
  for (const each of document.querySelectorAll("form[data-confirm]")) {
    each.addEventListener("submit", (event) => {
      event.preventDefault();
      form = each;
      const over = store.final?.status === "done";
      byId("confirm-title").textContent = (over && each.dataset.titleOver) || each.dataset.title;
      byId("confirm-words").textContent = (over && each.dataset.confirmOver) || each.dataset.confirm;
      byId("confirm-yes").textContent = each.dataset.yes;
      byId("confirm-yes").className = `btn ${each.dataset.danger ? "btn-danger" : "btn-primary"}`;
      dialog.showModal();
    });
    each.querySelector("button").disabled = false;
  }
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") form?.submit(); // the method asks no further: it fires no submit event
    dialog.returnValue = "";
  });
}
