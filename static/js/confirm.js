// Pause, resume and stop say in words what will happen before they do it; without this script the form just posts.

import { byId } from "./dom.js";

export function confirmForms() {
  const dialog = byId("confirm");
  let form = null;
  for (const each of document.querySelectorAll("form[data-confirm]")) {
    each.addEventListener("submit", (event) => {
      if (event.submitter?.dataset.sure) return;
      event.preventDefault();
      form = each;
      byId("confirm-title").textContent = each.dataset.title;
      byId("confirm-words").textContent = each.dataset.confirm;
      byId("confirm-yes").textContent = each.dataset.yes;
      byId("confirm-yes").className = `btn ${each.dataset.danger ? "btn-danger" : "btn-primary"}`;
      dialog.showModal();
    });
  }
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") form?.submit();
    dialog.returnValue = "";
  });
}
