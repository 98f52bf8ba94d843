// File cards that keep telling the truth: states from live events, and cards for files on their way.

import { announce, debounce, element, icon, setIcon } from "./common.js";
import { onEvent } from "./events.js";
import { size } from "./words.js";

const STATE_ICONS = { paused: "pause", ready: "circle-check", uploading: "arrow-up-to-line", waiting: "hourglass", processing: "loader-circle", failed: "circle-alert" };
const KIND_ICONS = { video: "video", audio: "audio-lines", image: "image", file: "file-text" };

/** Shows a state (`{state, words, percent}`) in a card, or in the note of a lesson. */
export function setState(shown, { state, words, percent = null }) {
  const changed = shown.dataset.state !== state;
  shown.dataset.state = state;
  const line = shown.querySelector(".state") ?? shown;
  const said = shown.querySelector(".words");
  if (said && said.textContent !== words) said.textContent = words;
  if (changed && STATE_ICONS[state]) setIcon(line, STATE_ICONS[state]);
  const bar = shown.querySelector("progress");
  if (bar && percent === null) bar.removeAttribute("value");
  else if (bar) bar.value = percent;
  if (changed) showOnTheirWay();
  return changed;
}

/** The panel that counts what is on its way; it hides when there is nothing. */
export function showOnTheirWay() {
  const panel = document.querySelector("[data-on-their-way]");
  if (!panel) return;
  const count = document.querySelectorAll(".file-card:is([data-state='uploading'], [data-state='waiting'], [data-state='processing'])").length;
  panel.hidden = count === 0;
  panel.querySelector(".count").textContent = count === 1 ? "1 file" : `${count} files`;
}

/** A card for a file that is not at the site yet. */
export function makeCard(file, kind) {
  const row = element("li", "file-card");
  const thumb = element("span", "thumb");
  thumb.append(icon(KIND_ICONS[kind]));
  const name = element("div", "name");
  name.append(element("strong", "", file.name), " ", element("span", "meta", size(file.size)));
  const state = element("span", "state");
  state.append(icon("hourglass"), element("span", "words"));
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.setAttribute("aria-label", `Progress of ${file.name}`);
  const status = element("div", "status");
  status.append(state, bar);
  const about = element("div", "about");
  about.append(name, status);
  const actions = element("div", "do");
  const card = { row, onCancel: () => {}, onRetry: () => {}, onPause: () => {}, onResume: () => {} };
  const button = (words, shape, act) => {
    const made = element("button", "button", "");
    made.type = "button";
    made.append(icon(shape), words);
    made.setAttribute("aria-label", `${words}: ${file.name}`);
    made.addEventListener("click", act);
    return made;
  };
  const cancel = button("Cancel", "x", () => card.onCancel());
  cancel.classList.add("ghost");
  const retry = button("Try again", "rotate-cw", () => {
    retry.remove();
    card.onRetry();
  });
  const offers = { pause: button("Pause", "pause", () => card.onPause()), resume: button("Resume", "play", () => card.onResume()) };
  actions.append(cancel);
  // Pause while it is on its way, Resume while it is paused; the focus stays with them.
  card.offer = (what) => {
    const hadFocus = Object.values(offers).includes(document.activeElement);
    for (const other of Object.values(offers)) other.remove();
    if (!offers[what]) return;
    actions.prepend(offers[what]);
    if (hadFocus) offers[what].focus();
  };
  card.fail = (reason) => {
    setState(row, { state: "failed", words: `Failed: ${reason}` });
    actions.prepend(retry);
    announce(`${file.name} failed: ${reason}`);
  };
  card.arrived = (answer) => {
    cancel.remove();
    setState(row, { state: answer.state ?? "waiting", words: answer.words ?? answer.message ?? "Upload complete!" });
    return fromSite(row, answer.content);
  };
  row.append(element("span", "grip hollow"), thumb, about, actions, element("div", "tools"));
  return card;
}

/** Takes the card as the site draws it, with its menu and picture, in place of this one. */
async function fromSite(row, id) {
  if (id === undefined) return;
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const drawn = page.querySelector(`.file-card[data-id="${Number(id)}"]`);
    if (!drawn) return;
    const focused = row.contains(document.activeElement);
    row.replaceWith(document.adoptNode(drawn));
    if (focused) drawn.querySelector("a, button, summary")?.focus();
    showOnTheirWay();
  } catch {
    // The card stays as it is; the next load of the page draws it.
  }
}

onEvent("upload", show);
onEvent("refresh", debounce(readAgain, 200));

function show(event) {
  for (const shown of document.querySelectorAll(`[data-upload-id="${Number(event.id)}"]`)) {
    const name = shown.dataset.name ?? "";
    if (!setState(shown, event)) continue;
    if (event.state === "ready" || event.state === "failed") announce(`${name} ${event.words}`.trim());
    if (event.state !== "ready") continue;
    if (shown.classList.contains("file-card")) fromSite(shown, shown.dataset.id);
    else if (shown.tagName !== "TR") offerReload(shown);
  }
}

/** Events may have been missed: asks the page how the files are that were on their way. */
async function readAgain() {
  const moving = document.querySelectorAll("[data-upload-id]:is([data-state='waiting'], [data-state='processing'])");
  if (moving.length === 0) return;
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const { dataset } of moving) {
      const id = Number(dataset.uploadId);
      const drawn = page.querySelector(`[data-upload-id="${id}"]`);
      // In a lesson, the note is gone when the file is ready.
      const state = drawn?.dataset.state ?? "ready";
      const words = drawn?.querySelector(".words")?.textContent ?? "Ready";
      const value = drawn?.querySelector("progress")?.getAttribute("value") ?? null;
      show({ id, state, words, percent: value === null ? null : Number(value) });
    }
  } catch {
    // The next event, or the next load of the page, tells.
  }
}

/** In a lesson: what became ready is shown after a reload, when the reader likes. */
function offerReload(shown) {
  if (shown.querySelector("a")) return;
  const link = element("a", "button", "Show it");
  link.href = location.pathname;
  shown.append(link);
}

showOnTheirWay();
