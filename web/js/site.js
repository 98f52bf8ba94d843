// Every page loads this module. Nothing here is needed to read, register, log in or send a form.

import { announce, goAtOnce, post, setIcon } from "./common.js";
import { forgetDraft } from "./draft.js";
import { startEvents } from "./events.js";

const SENT_MS = 8000;

const THEMES = [
  { name: "system", words: "Theme: as the system", icon: "sun-moon" },
  { name: "light", words: "Theme: light", icon: "sun" },
  { name: "dark", words: "Theme: dark", icon: "moon" },
];

/** The switch in the footer: system, light, dark, round again. Kept on this device, and for a signed-in reader also by the site. */
function themeSwitch() {
  const button = document.querySelector(".theme-switch");
  if (!button) return;
  const root = document.documentElement;
  const show = () => {
    const theme = THEMES.find((each) => each.name === (root.dataset.theme || "system")) ?? THEMES[0];
    button.querySelector("span").textContent = theme.words;
    setIcon(button, theme.icon);
    return theme;
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(show()) + 1) % THEMES.length];
    if (next.name === "system") delete root.dataset.theme;
    else root.dataset.theme = next.name;
    try {
      localStorage.setItem("lyceum-theme", next.name);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
    show();
    announce(next.words);
    if (button.dataset.themeUrl) post(button.dataset.themeUrl, { theme: next.name }).catch(() => {});
  });
  show();
}

/**
 * Keys of one letter that hold anywhere on a page can be turned off (WCAG 2.2, 2.1.4): whoever speaks to the computer, or whose
 * hand is not steady, presses them without meaning to. Kept on this device; pages without a footer know it too.
 */
function keysSwitch() {
  const { dataset } = document.documentElement;
  const button = document.querySelector(".keys-switch");
  const show = (state) => {
    dataset.shortcuts = state;
    if (button) button.querySelector("span").textContent = `Shortcuts: ${state}`;
  };
  let kept = null;
  try {
    kept = localStorage.getItem("lyceum-shortcuts");
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  show(kept === "off" ? "off" : "on");
  button?.addEventListener("click", () => {
    show(dataset.shortcuts === "off" ? "on" : "off");
    announce(button.textContent);
    try {
      localStorage.setItem("lyceum-shortcuts", dataset.shortcuts);
    } catch {
      // As above.
    }
  });
}

/** "/" goes to the search field, unless something is being typed or such keys are turned off. */
function searchKey() {
  const field = document.querySelector("#search input");
  if (!field) return;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || document.documentElement.dataset.shortcuts === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    location.hash = "";
    field.focus();
    field.select();
  });
  document.querySelector(".search-open")?.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("search").classList.add("open");
    field.focus();
  });
  field.addEventListener("blur", () => document.getElementById("search").classList.remove("open"));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.blur();
  });
}

/** Menus open without a script; this closes them on Escape, outside, and when another one opens. */
function menus() {
  const open = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      const inside = menu.contains(document.activeElement);
      menu.open = false;
      if (inside) menu.querySelector("summary").focus();
    }
  });
}

/** "Show" in a password field. The button is hidden until a script can work it. */
function showPassword() {
  for (const button of document.querySelectorAll("button[data-shows]")) {
    const field = document.getElementById(button.dataset.shows);
    if (!field) continue;
    const label = button.getAttribute("aria-label") ?? "Show the password";
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = field.type === "text";
      field.type = shown ? "password" : "text";
      button.querySelector("span").textContent = shown ? "Show" : "Hide";
      button.setAttribute("aria-label", shown ? label : label.replace("Show", "Hide"));
      setIcon(button, shown ? "eye" : "eye-off");
      field.focus();
    });
    field.form?.addEventListener("submit", () => {
      field.type = "password";
    });
  }
}

/** A form that came back puts the cursor in its first fault. */
function focusFirstFault() {
  const first = document.querySelector("main [aria-invalid='true']");
  if (!first) return;
  first.focus();
  if (first.type !== "email" && typeof first.setSelectionRange === "function" && first.value) {
    first.setSelectionRange(first.value.length, first.value.length);
  }
}

/** Buttons that copy a text, such as the request id of a fault page. */
function copying() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent.trim());
        button.querySelector("span").textContent = "Copied";
        announce("Copied");
      } catch {
        announce("Your browser did not allow copying");
      }
    });
  }
}

/** A form is sent once; coming back by the browser's button makes it new. */
function sendOnce() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    // The reader may have stopped the page; then the form must work again.
    setTimeout(() => delete form.dataset.sent, SENT_MS);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
}

themeSwitch();
keysSwitch();
searchKey();
menus();
showPassword();
focusFirstFault();
goAtOnce(document);
copying();
sendOnce();
forgetDraft();
startEvents();
