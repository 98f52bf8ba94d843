// Loaded before the page is drawn, so that the theme chosen on this device does not flash. The
// server's choice, in data-theme of a signed-in reader's page, comes first.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  let chosen = null;
  try {
    chosen = localStorage.getItem("lyceum-theme");
  } catch {
    // Storage may be forbidden; the system's theme is fine then.
  }
  if (!root.dataset.theme && (chosen === "light" || chosen === "dark")) root.dataset.theme = chosen;
})();
