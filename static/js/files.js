// Buttons that copy a sha256.

import { say } from "./announce.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say("Copied");
    button.dataset.copied = "";
    setTimeout(() => delete button.dataset.copied, 1500);
  } catch {
    const code = button.parentElement.querySelector("code"); // no clipboard without https: choose it to be copied
    code.textContent = button.dataset.copy;
    getSelection().selectAllChildren(code);
  }
});
