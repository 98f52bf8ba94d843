// A long text that is being written stays with the browser's tab until the site has it: a session may end meanwhile.

import { element } from "./common.js";

const keyOf = (path) => `lyceum-draft:${path}`;
const sentOf = (path) => `${keyOf(path)}:sent`;

/** Keeps what is typed into `area`, and offers what was typed on this page before and is not there. */
export function keepDraft(area) {
  const key = keyOf(location.pathname);
  let kept = null;
  try {
    kept = sessionStorage.getItem(key);
    const keep = (name, words) => {
      try {
        sessionStorage.setItem(name, words);
      } catch {
        // A browser without room for it keeps nothing.
      }
    };
    // Whatever was sent from here has not arrived, or its fault is shown.
    sessionStorage.removeItem(sentOf(location.pathname));
    area.addEventListener("input", () => keep(key, area.value));
    area.form.addEventListener("submit", () => keep(sentOf(location.pathname), "yes"));
  } catch {
    return; // Storage may be forbidden.
  }
  if (!kept || kept === area.value) return;
  const offer = element("p", "hint draft", "What you wrote here before was not saved. ");
  const back = element("button", "button", "Put it back");
  back.type = "button";
  back.addEventListener("click", () => {
    area.value = kept;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    offer.remove();
    area.focus();
  });
  offer.append(back);
  area.before(offer);
}

/** Forgets what was sent from the page that led here, since it was taken. On the way through a log-in it stays. */
export function forgetDraft() {
  const isFault = document.querySelector("main .fault-page") !== null;
  if (!document.referrer || isFault || location.pathname.startsWith("/accounts/")) return;
  try {
    const { origin, pathname } = new URL(document.referrer);
    const wasSent = sessionStorage.getItem(sentOf(pathname)) !== null;
    if (origin !== location.origin || pathname === location.pathname || !wasSent) return;
    for (const key of [keyOf(pathname), sentOf(pathname)]) sessionStorage.removeItem(key);
  } catch {
    // Storage may be forbidden.
  }
}
