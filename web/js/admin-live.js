// Pages on which staff watch the site keep up by themselves: every ten seconds the page is asked for again, and the
// parts that are marked are put in place of the old ones. A part in which somebody works is left alone.

const EVERY_MS = 10_000;
const LONGEST_MS = 120_000;

let wait = EVERY_MS;
let timer = 0;

/** Whether somebody has a part in hand: the focus is in it, something is ticked there, or figures are open. */
function inHand(part) {
  return part.contains(document.activeElement) || part.querySelector("input:checked, details[open]") !== null || String(getSelection()).length > 0;
}

function say(words, isLive) {
  for (const line of document.querySelectorAll("[data-live-words]")) {
    line.hidden = false;
    line.classList.toggle("late", !isLive);
    line.querySelector(".words").textContent = words;
  }
}

/** The time in the zone of the account, as all others on the page; in the browser's, where that does not know the zone. */
function clock() {
  const timeZone = document.querySelector("[data-time-zone]")?.dataset.timeZone;
  const now = new Date();
  try {
    return now.toLocaleTimeString([], { hour12: false, timeZone });
  } catch {
    return now.toLocaleTimeString([], { hour12: false });
  }
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const drawn = page.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
      if (drawn && !inHand(part) && !drawn.isEqualNode(part)) part.replaceWith(document.adoptNode(drawn));
    }
    wait = EVERY_MS;
    say(`Live, ${clock()}`, true);
  } catch {
    wait = Math.min(wait * 2, LONGEST_MS);
    say("Not up to date: the site cannot be reached", false);
  }
  later();
}

function later() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, wait);
}

// What an address tells once is not told again.
const here = new URL(location.href);
if (here.searchParams.has("done")) {
  for (const name of ["done", "n", "passed", "mark"]) here.searchParams.delete(name);
  history.replaceState(null, "", here);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});
say(`Live, ${clock()}`, true);
later();
