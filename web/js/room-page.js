// The page of a room: the room itself, and the lists beside it, which lie over it on a narrow screen.

import { debounce } from "./common.js";
import { onEvent } from "./events.js";
import { openRoom } from "./room.js";

/** The lists that are links to themselves without a script: opened, closed, and the focus brought back. */
function drawers() {
  for (const opener of document.querySelectorAll(".rooms-open, .people-open")) {
    const drawer = document.querySelector(opener.hash);
    const close = drawer.querySelector(".close");
    const show = (isOpen) => {
      drawer.classList.toggle("is-open", isOpen);
      opener.setAttribute("aria-expanded", String(isOpen));
    };
    opener.setAttribute("aria-controls", drawer.id);
    show(false);
    opener.addEventListener("click", (event) => {
      event.preventDefault();
      show(true);
      close.focus();
    });
    const leave = () => {
      show(false);
      opener.focus();
    };
    close.addEventListener("click", (event) => {
      event.preventDefault();
      leave();
    });
    drawer.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && drawer.classList.contains("is-open")) leave();
    });
    drawer.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !drawer.contains(relatedTarget)) show(false);
    });
  }
}

/** The list of rooms as the site draws it now: another room has new lines, or was read elsewhere. */
const redrawRooms = debounce(async () => {
  const list = document.getElementById("room-rooms");
  try {
    const answer = await fetch("/chat/", { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const drawn = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("room-rooms");
    if (!drawn) return;
    for (const link of drawn.querySelectorAll("a")) {
      if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
    }
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    list.replaceChildren(...document.adoptNode(drawn).children);
    if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  } catch {
    // It stands as it was; the next event draws it again.
  }
}, 500);

openRoom(document.getElementById("room"));
drawers();
onEvent("rooms", redrawRooms);
