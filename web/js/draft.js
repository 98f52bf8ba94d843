// A long text that is being written stays with the browser's tab until the site has it: a session may end meanwhile.

import { element } from "./common.js";

const keyOf = (path) => `lyceum-draft:${path}`;

/** Keeps what is typed into `area`, and offers what was typed on this page before and is not there. */
export function keepDraft(area) {
  const key = keyOf(location.pathname);
  let kept = null;
  try {
    kept = sessionStorage.getItem(key);
    area.addEventListener("input", () => {
      try {
        sessionStorage.setItem(key, area.value);
      } catch {
        // A browser without room for it keeps nothing.
      }
    });
  } catch {
    return; // Storage may be forbidden.
  }
  if (!kept || kept === area.value) return;
  const offer = element("p", "hint draft", "What you wrote here before was not saved. ");
  const back = element("button", "link-button", "Put it back");
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

/** Forgets the draft of the page that led here: it was saved there, or left. On the way through a log-in it stays. */
export function forgetDraft() {
  const isFault = document.querySelector("main .fault-page") !== null;
  if (!document.referrer || isFault || location.pathname.startsWith("/accounts/")) return;
  try {
    const { origin, pathname } = new URL(document.referrer);
    if (origin === location.origin && pathname !== location.pathname) sessionStorage.removeItem(keyOf(pathname));
  } catch {
    // Storage may be forbidden.
  }
}
