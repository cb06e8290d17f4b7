// Runs before the first paint (a blocking script in <head>), so that no page flashes in the wrong theme.
// The theme follows the system until somebody chooses one; the choice is kept in localStorage.
(() => {
  "use strict";
  const KEY = "nash-theme";
  const NEXT = { system: "light", light: "dark", dark: "system" };
  const root = document.documentElement;

  const chosen = () => {
    try {
      const kept = localStorage.getItem(KEY);
      return kept === "light" || kept === "dark" ? kept : "system";
    } catch {
      return "system"; // storage is off: the system decides
    }
  };

  const show = (theme) => {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
  };

  const keep = (theme) => {
    try {
      if (theme === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // storage is off: the choice lasts as long as the page
    }
  };

  let theme = chosen();
  show(theme);

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const label = () => {
      button.setAttribute("aria-label", `Theme: ${theme}. Change to ${NEXT[theme]}`);
      button.title = `Theme: ${theme}`;
      for (const icon of button.querySelectorAll("[data-theme-icon]")) icon.toggleAttribute("hidden", icon.dataset.themeIcon !== theme);
    };
    button.addEventListener("click", () => {
      theme = NEXT[theme];
      show(theme);
      keep(theme);
      label();
      document.dispatchEvent(new CustomEvent("theme"));
    });
    label();
  });
})();
