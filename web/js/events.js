// Live events: messages and the progress of files.
//
// Browsers allow six connections to a site over HTTP/1.1, so ten open tabs must not hold ten streams.
// The tabs elect a leader with a Web Lock: it alone keeps the stream and passes every event on over a
// BroadcastChannel. When it closes, the lock goes to the next tab, which connects.

import { announce, icon, post } from "./common.js";

const CHANNEL = "lyceum-events";
const LOCK = "lyceum-events-leader";
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const MOST_SHOWN = 20;

const listeners = new Map();
let channel = null;

/** Calls `act` with every event of this type, whichever tab holds the stream. */
export function onEvent(type, act) {
  listeners.set(type, [...(listeners.get(type) ?? []), act]);
}

/** Starts listening, if the page names an address for events: only pages of signed-in people do. */
export function startEvents() {
  const region = document.getElementById("banners");
  if (!region) return;
  onEvent("message", (event) => showMessage(region, event));
  onEvent("message-read", (event) => forgetMessage(event));
  region.addEventListener("submit", dismiss);
  document.querySelector("main")?.addEventListener("submit", dismiss);
  if (!region.dataset.eventsUrl || !("EventSource" in window)) return;
  if ("BroadcastChannel" in window) {
    channel = new BroadcastChannel(CHANNEL);
    channel.addEventListener("message", (message) => dispatch(message.data));
  }
  lead(region.dataset.eventsUrl, region.dataset.person ?? "");
}

/** Keeps the stream for as long as this tab holds the lock: until it closes. */
function lead(url, person) {
  if (!navigator.locks || !channel) {
    connect(url, dispatch);
    return;
  }
  const share = (event) => {
    channel.postMessage({ ...event, person });
    dispatch(event);
  };
  navigator.locks.request(`${LOCK}:${person}`, () => {
    document.documentElement.dataset.leader = "yes";
    connect(url, share);
    return new Promise(() => {});
  }).catch(() => connect(url, dispatch));
}

/** One stream, opened again with growing waits. A browser gives up by itself after an error answer; we do not. */
function connect(url, hand) {
  let wait = FIRST_WAIT_MS;
  let source = null;
  const open = () => {
    source = new EventSource(url);
    source.addEventListener("open", () => {
      wait = FIRST_WAIT_MS;
    });
    source.addEventListener("message", (message) => {
      const event = read(message.data);
      if (event) hand(event);
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      source.close();
      // Spread out, so that a thousand readers do not return in the same second.
      setTimeout(open, wait * (0.5 + Math.random()));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    });
  };
  // A page kept in the back-forward cache must let go of its stream.
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) open();
  });
  open();
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
  const mine = document.getElementById("banners")?.dataset.person ?? "";
  if (event.person !== undefined && event.person !== mine) return;
  for (const act of listeners.get(event.type) ?? []) act(event);
}

const LEVELS = { info: "info", success: "circle-check", ok: "circle-check", warning: "triangle-alert", warn: "triangle-alert", error: "circle-alert", fault: "circle-alert" };
const TONES = { success: "ok", warning: "warn", error: "fault" };

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
}

function forgetMessage({ id, unread }) {
  showUnread(unread);
  for (const shown of document.querySelectorAll(`[data-message-id="${Number(id)}"]`)) forget(shown);
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

/** Dismisses without leaving the page; if that fails, the form goes its plain way. */
async function dismiss(event) {
  const shown = event.target.closest("[data-message-id]");
  if (!shown) return;
  event.preventDefault();
  const next = shown.nextElementSibling?.querySelector("button") ?? document.getElementById("main");
  const unread = Number.parseInt(document.querySelector("[data-unread]")?.dataset.unread ?? "0", 10);
  try {
    await post(shown.dataset.messageUrl, { message_id: shown.dataset.messageId });
  } catch {
    event.target.submit();
    return;
  }
  const read = { type: "message-read", id: Number(shown.dataset.messageId), unread: Math.max(unread - 1, 0) };
  next?.focus();
  dispatch(read);
  channel?.postMessage({ ...read, person: document.getElementById("banners")?.dataset.person ?? "" });
  announce("Dismissed");
}
