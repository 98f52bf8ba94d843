// Live events: messages and the progress of files.
//
// Browsers allow six connections to a site over HTTP/1.1, so ten open tabs must not hold ten streams.
// The tabs of one person elect a leader with a Web Lock: it alone keeps the stream and passes every
// event on over a BroadcastChannel. When it closes, the lock goes to the next tab, which connects and
// asks for what came after the newest message that it knows. Without Web Locks (they need https, or
// this machine) every tab keeps a stream of its own.
//
// Nothing is missed between a page and its stream, and nothing shown twice: the page says which message
// was its newest, and every message has a growing number.

import { announce, debounce, icon, post } from "./common.js";

const NAME = "lyceum-events";
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const MOST_SHOWN = 20;
const MOST_TRIES = 3;
/** So long reading takes until the site knows of it. */
const READING_MS = 3000;
let roomsTimer = 0;

const listeners = new Map();
/** To the other tabs of this person. */
let channel = null;
/** What the page says of itself: the addresses to ask, and for whom it was drawn. */
let about = null;
/** Number of the newest message that this page was drawn with or was told of. */
let newest = 0;
/** Grows with every event about messages. */
let heard = 0;

/** Calls `act` with every event of this type, whichever tab holds the stream. */
export function onEvent(type, act) {
  listeners.set(type, [...(listeners.get(type) ?? []), act]);
}

/** Starts listening, if the page names an address for events: only pages of signed-in people do. */
export function startEvents() {
  const region = document.getElementById("banners");
  if (!region) return;
  onEvent("message", (event) => showMessage(region, event));
  onEvent("message-read", forgetMessage);
  onEvent("unread", reconcile);
  onEvent("rooms", showRooms);
  region.addEventListener("submit", dismiss);
  document.querySelector("main")?.addEventListener("submit", dismiss);
  if (!region.dataset.eventsUrl || !("EventSource" in window)) return;
  about = region.dataset;
  newest = Number(about.lastMessage ?? 0);
  listen();
  // A page kept in the back-forward cache lets go of the stream and of the lead, and comes back for them.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) listen();
  });
}

/** Follows the tab that leads, or leads, until the page is left. */
function listen() {
  const leaving = new AbortController();
  window.addEventListener("pagehide", () => leaving.abort(), { once: true });
  if (!navigator.locks || !("BroadcastChannel" in window)) {
    connect(dispatch, leaving.signal);
    return;
  }
  const name = `${NAME}:${about.person}`;
  channel = new BroadcastChannel(name);
  channel.addEventListener("message", (message) => dispatch(message.data));
  leaving.signal.addEventListener("abort", () => channel.close());
  stand(name, leaving.signal);
}

/** Takes the lead if nobody has it; otherwise catches up with the page's past and waits for its turn. */
async function stand(name, leaving) {
  const lead = async () => {
    document.documentElement.dataset.leader = "yes";
    await connect(share, leaving);
    delete document.documentElement.dataset.leader;
  };
  const hasLed = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock) await lead();
    return lock !== null;
  });
  if (hasLed || leaving.aborted || !(await catchUp())) return;
  try {
    await navigator.locks.request(name, { signal: leaving }, lead);
  } catch (fault) {
    if (fault.name !== "AbortError") throw fault;
  }
}

function share(event) {
  channel.postMessage(event);
  dispatch(event);
}

/**
 * One stream, opened again with growing waits: a browser gives up by itself after an error answer, we do
 * not. Ends when the page is left, or when the site says that this person is no longer logged in.
 */
function connect(hand, leaving) {
  let wait = FIRST_WAIT_MS;
  let source = null;
  let timer = 0;
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      source?.close();
      resolve();
    };
    const open = () => {
      source = new EventSource(address(about.eventsUrl));
      source.addEventListener("open", () => {
        wait = FIRST_WAIT_MS;
      });
      source.addEventListener("message", (message) => {
        const event = read(message.data);
        if (event) hand(event);
      });
      source.addEventListener("error", async () => {
        if (source.readyState !== EventSource.CLOSED || leaving.aborted) return;
        if (!(await catchUp(hand))) return end();
        if (leaving.aborted) return;
        // Spread out, so that a thousand readers do not return in the same second.
        timer = setTimeout(open, wait * (0.5 + Math.random()));
        wait = Math.min(wait * 2, LONGEST_WAIT_MS);
      });
    };
    leaving.addEventListener("abort", end);
    open();
  });
}

/** For whom the page was drawn and what it knows: somebody else may have logged in since. */
function address(path) {
  return `${path}?${new URLSearchParams({ person: about.person, after: newest })}`;
}

/**
 * Asks once for what the page has missed. False when this person is no longer logged in; true also when
 * the site cannot be reached, for it may be back soon.
 */
async function catchUp(hand = dispatch) {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const before = heard;
    let state;
    try {
      const answer = await fetch(address(about.unreadUrl), { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (answer.status === 401 || answer.status === 403) return false;
      if (!answer.ok) return true;
      state = await answer.json();
    } catch {
      return true;
    }
    // What was heard meanwhile may be newer than the answer.
    if (heard !== before) continue;
    const { messages, ...unread } = state;
    hand(unread);
    for (const message of messages) hand(message);
    hand({ type: "refresh" });
    return true;
  }
  return true;
}

function read(text) {
  try {
    const event = JSON.parse(text);
    return event && typeof event.type === "string" ? event : null;
  } catch {
    return null;
  }
}

function dispatch(event) {
  if (event.type === "message") {
    if (event.id <= newest) return;
    newest = event.id;
  }
  if (["message", "message-read", "unread"].includes(event.type)) heard += 1;
  for (const act of listeners.get(event.type) ?? []) act(event);
}

const LEVELS = { info: "info", success: "circle-check", ok: "circle-check", warning: "triangle-alert", warn: "triangle-alert", error: "circle-alert", fault: "circle-alert" };
const TONES = { success: "ok", warning: "warn", error: "fault" };

/** How many banners stand on a page; the site draws as many. */
const MOST_BANNERS = 3;

/** Fills the page's own banner template; data only ever becomes text. */
function showMessage(region, { id, level = "info", text = "", link = "", link_text = "See it", unread }) {
  showUnread(unread);
  const template = document.getElementById("banner-template");
  if (!template || document.querySelector(`.banner[data-message-id="${Number(id)}"]`)) return;
  const banner = template.content.firstElementChild.cloneNode(true);
  const tone = TONES[level] ?? (LEVELS[level] ? level : "info");
  banner.classList.add(tone);
  banner.dataset.messageId = id;
  banner.querySelector(".icon").replaceWith(icon(LEVELS[level] ?? "info"));
  banner.querySelector(".text").textContent = text;
  const anchor = banner.querySelector("a");
  if (link.startsWith("/") && !link.startsWith("//")) {
    anchor.href = link;
    anchor.textContent = link_text;
  } else {
    anchor.remove();
  }
  banner.querySelector("input[name=message_id]").value = id;
  banner.querySelector("button").setAttribute("aria-label", `Dismiss: ${text}`);
  region.prepend(banner);
  // As many as a freshly drawn page shows; the older ones stay unread, behind the bell.
  for (const old of [...region.querySelectorAll(".banner")].slice(MOST_BANNERS)) {
    if (!old.contains(document.activeElement)) old.remove();
  }
  redrawList();
}

/** The list of all messages is drawn again by the site when one has come. */
const redrawList = debounce(async () => {
  const list = document.querySelector("[data-messages-list]");
  if (!list) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const drawn = page.querySelector("[data-messages-list]");
    if (!drawn) return;
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    list.replaceWith(document.adoptNode(drawn));
    if (focused) drawn.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  } catch {
    // The banner is there; the next load of the page draws the list.
  }
}, 100);

function forgetMessage({ id, unread }) {
  showUnread(unread);
  for (const shown of document.querySelectorAll(`[data-message-id="${Number(id)}"]`)) forget(shown);
}

/** Takes away what was dismissed while this page did not hear of it. */
function reconcile({ unread, ids, from, to }) {
  const open = new Set(ids);
  for (const shown of document.querySelectorAll("[data-message-id]")) {
    const id = Number(shown.dataset.messageId);
    if (id >= from && id <= to && !open.has(id)) forget(shown);
  }
  showUnread(unread);
}

/** A banner goes; a line of the list of messages stays, as read. */
function forget(shown) {
  if (shown.classList.contains("banner")) {
    shown.remove();
    return;
  }
  shown.querySelector(".unread")?.classList.remove("unread");
  for (const gone of shown.querySelectorAll(".new, form")) gone.remove();
}

function showUnread(unread) {
  if (typeof unread !== "number") return;
  for (const bell of document.querySelectorAll("[data-unread]")) {
    const badge = bell.querySelector(".badge");
    badge.textContent = unread > MOST_SHOWN ? `${MOST_SHOWN}+` : String(unread);
    badge.hidden = unread === 0;
    bell.setAttribute("aria-label", unread === 0 ? "Messages" : `Messages, ${unread} unread`);
    bell.dataset.unread = String(unread);
  }
}

/**
 * How many rooms hold something new. In a room that is open more is told a little later: what was said there is read by
 * then, and no number comes only to go.
 */
function showRooms({ unread }) {
  const shown = Number(document.querySelector("[data-rooms] .badge")?.textContent ?? 0);
  clearTimeout(roomsTimer);
  roomsTimer = setTimeout(() => drawRooms(unread), unread > shown && document.getElementById("room") ? READING_MS : 0);
}

function drawRooms(unread) {
  for (const link of document.querySelectorAll("[data-rooms]")) {
    const badge = link.querySelector(".badge");
    badge.textContent = String(unread);
    badge.hidden = unread === 0;
    link.setAttribute("aria-label", unread === 0 ? "Rooms" : `Rooms, ${unread} with new lines`);
  }
}

/** Dismisses without leaving the page; if that fails, the form goes its plain way. */
async function dismiss(event) {
  const shown = event.target.closest("[data-message-id]");
  if (!shown) return;
  event.preventDefault();
  const next = shown.nextElementSibling?.querySelector("button") ?? document.getElementById("main");
  try {
    await post(shown.dataset.messageUrl, { message_id: shown.dataset.messageId });
  } catch {
    event.target.submit();
    return;
  }
  next?.focus();
  // The stream tells the other tabs, and the number at the bell.
  for (const gone of document.querySelectorAll(`[data-message-id="${Number(shown.dataset.messageId)}"]`)) forget(gone);
  announce("Dismissed");
}
