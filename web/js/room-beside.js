// The room beside a lesson: the same room as on its own page, brought in when it is asked for. The lesson stays the
// largest thing on the page; on a screen that is too narrow for both the link leads to the room's own page.

import { element, icon } from "./common.js";
import { openRoom } from "./room.js";

/** `lesson.js` looks there, too. */
const KEPT = "lyceum-room-beside";

let aside = null;
let room = null;
/** Whether it is on its way: pressed twice, it opens once. */
let isOpening = false;
/** Ends the watching of where the lesson begins. */
let watching = null;

/** Whether the reader wants the room beside her lessons, on this device. */
function remember(isWanted) {
  try {
    if (isWanted) localStorage.setItem(KEPT, "yes");
    else localStorage.removeItem(KEPT);
  } catch {
    // Then it opens closed on the next page.
  }
}

/** Opens the room, or closes it. `moves` the focus when a person asked for it. */
export async function toggleRoom(link, { moves = true } = {}) {
  if (isOpening) return undefined;
  if (aside) return close(link);
  isOpening = true;
  link.setAttribute("aria-busy", "true");
  try {
    await open(link, moves);
    remember(true);
    link.setAttribute("aria-expanded", "true");
  } catch {
    // The room has a page of its own, which says what is wrong.
    watching?.abort();
    aside?.remove();
    aside = null;
    if (moves) location.assign(link.href);
  } finally {
    isOpening = false;
    link.removeAttribute("aria-busy");
  }
  return undefined;
}

async function open(link, moves) {
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const root = page.getElementById("room");
  if (!root) throw new Error("no room");
  await style(page);
  aside = element("aside", "lesson-room");
  aside.id = "lesson-room";
  aside.setAttribute("aria-label", "Room");
  aside.append(document.adoptNode(root));
  head(link);
  document.querySelector(".lesson").append(aside);
  document.querySelector(".lesson").classList.add("has-room");
  fit();
  room = openRoom(root);
  if (moves) room.focus();
}

/** The style of the room's page, before it is seen. */
function style(page) {
  const { href } = page.querySelector('link[href*="css/room"]');
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  const link = element("link");
  link.rel = "stylesheet";
  link.href = href;
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve, { once: true });
    link.addEventListener("error", reject, { once: true });
    document.head.append(link);
  });
}

/** It ends where the window ends, whatever stands above the lesson: the bar, banners, nothing once they have gone up. */
function fit() {
  const lesson = document.querySelector(".lesson");
  const measure = () => aside?.style.setProperty("--above", `${Math.max(0, Math.round(lesson.getBoundingClientRect().top))}px`);
  watching = new AbortController();
  window.addEventListener("scroll", measure, { passive: true, signal: watching.signal });
  const moved = new ResizeObserver(measure);
  moved.observe(document.getElementById("banners"));
  watching.signal.addEventListener("abort", () => moved.disconnect());
  measure();
}

/** A smaller head: who is here, the room's own page, and the way to close it. */
function head(link) {
  const title = element("h2", "", "Room");
  aside.querySelector("h1").replaceWith(title);
  for (const gone of aside.querySelectorAll(".rooms-open, .people-open, .to-lesson, .menu")) gone.remove();
  // What moderators do stands on the room's own page; at a line they can do it here, too.
  const faces = element("span", "faces");
  faces.id = "room-faces";
  const count = element("span", "caption");
  count.id = "room-count";
  const whole = element("a", "icon-button");
  whole.href = link.href;
  whole.setAttribute("aria-label", "The room on a page of its own");
  whole.append(icon("external-link"));
  const shut = element("button", "icon-button");
  shut.type = "button";
  shut.setAttribute("aria-label", "Close the room");
  shut.append(icon("x"));
  shut.addEventListener("click", () => close(link));
  aside.querySelector(".names").append(faces, count);
  aside.querySelector(".doing").append(whole, shut);
}

function close(link) {
  room?.close();
  watching?.abort();
  aside?.remove();
  room = null;
  aside = null;
  document.querySelector(".lesson").classList.remove("has-room");
  remember(false);
  link.setAttribute("aria-expanded", "false");
  link.focus();
}
