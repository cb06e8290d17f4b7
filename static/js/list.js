// The list of searches: true without a reload; what is removed for good is asked about first.

import { byId } from "./dom.js";
import { confirmForms } from "./confirm.js";
import "./refresh.js";

confirmForms();
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-submit]");
  if (button) byId(button.dataset.submit).requestSubmit();
});
