// What a page shows of files keeps telling the truth: states from live events; stopping, and trying again, in place.

import { announce, debounce, element, post, setIcon, showFault, uploadState } from "./common.js";
import { onEvent } from "./events.js";

const STATE_ICONS = { paused: "pause", ready: "circle-check", uploading: "arrow-up-to-line", waiting: "hourglass", processing: "loader-circle", failed: "circle-alert", canceled: "circle-stop" };

/** Whether a word of this revision is older than the other; what has none is taken for new. */
export function isOlder(revision, than) {
  return Number(revision) < Number(than);
}

/**
 * Shows a state (`{state, words, percent, revision}`) in a card, or in the note of a lesson; not one that was true before
 * what is shown. Tells whether the state is another now.
 */
export function setState(shown, { state, words, percent = null, revision }) {
  if (isOlder(revision, shown.dataset.revision)) return false;
  if (revision !== undefined) shown.dataset.revision = revision;
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

/** The page as the site draws it now; null when it cannot be had: then it is asked for again, a little later. */
async function freshPage() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    // Who is no longer logged in gets another page, and would at any later time.
    if (answer.redirected) return null;
    if (answer.ok) return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    // The connection is gone, or the site.
  }
  readAgainLater();
  return null;
}

/**
 * How a file stands that the page does not show any more: a filter leaves it out, somebody has deleted it or, in a lesson,
 * it is ready. Null when that cannot be told.
 */
async function stateOf(shown) {
  const gone = shown.matches("tr, .file-card, .held") ? { state: "canceled", words: "No longer here" } : { state: "ready", words: "Ready" };
  return uploadState(shown.dataset.uploadId).then((stands) => stands ?? gone, () => null);
}

/** The newest event of each file. */
const told = new Map();

/**
 * Takes what the site draws there, with its menu and picture, in place of what `selector` finds, or `shown`; as soon as the
 * site can be reached. False when it draws no such thing.
 */
export async function redraw(shown, selector) {
  const page = await freshPage();
  // Another page may have been quicker.
  const now = shown.isConnected ? shown : document.querySelector(selector);
  if (!now) return true;
  if (page === null) now.dataset.undrawn = "";
  else if (!replace(now, page.querySelector(selector))) return false;
  tellAgain(now.dataset.uploadId);
  return true;
}

/** What was told while a page was on its way may be newer than the page. */
export function tellAgain(id) {
  if (told.has(Number(id))) show(told.get(Number(id)));
}

/** Puts the site's drawing, with all that can be done, in place of `shown`. False when there is none. */
function replace(shown, drawn) {
  if (!drawn) return false;
  const focused = shown.contains(document.activeElement);
  shown.replaceWith(document.adoptNode(drawn));
  if (focused) drawn.querySelector("a, button, summary")?.focus();
  showOnTheirWay();
  return true;
}

const readAgainLater = debounce(readAgain, 5000);

onEvent("upload", show);
onEvent("refresh", debounce(readAgain, 200));

/** Words come live and with pages, over several ways, and may overtake each other. */
async function show(event) {
  const newest = told.get(Number(event.id));
  if (!isOlder(event.revision, newest?.revision)) told.set(Number(event.id), event);
  const selector = `[data-upload-id="${Number(event.id)}"]`;
  for (const shown of document.querySelectorAll(selector)) {
    const name = shown.dataset.name ?? "";
    if (!setState(shown, event)) continue;
    if (["ready", "failed", "canceled"].includes(event.state)) announce(`${name} ${event.words}`.trim());
    if (event.state === "waiting") watch();
    // In a lesson, the note is gone when the file is ready. Rows of the library are drawn by its own script.
    if (event.state === "ready" && shown.tagName !== "TR" && !(await redraw(shown, selector))) offerReload(shown);
  }
}

/** Events may have been missed: asks the page how the files are that were on their way, and draws what could not be drawn. */
async function readAgain() {
  const asked = document.querySelectorAll("[data-upload-id]:is([data-state='waiting'], [data-state='processing'], [data-undrawn])");
  const page = asked.length > 0 && (await freshPage());
  if (!page) return;
  for (const shown of asked) {
    const id = Number(shown.dataset.uploadId);
    const drawn = page.querySelector(`[data-upload-id="${id}"]`);
    if ("undrawn" in shown.dataset) {
      delete shown.dataset.undrawn;
      if (replace(shown, drawn)) tellAgain(id);
      else offerReload(shown);
      continue;
    }
    if (!drawn) {
      const stands = await stateOf(shown);
      if (stands) show({ ...stands, id });
      continue;
    }
    const words = drawn.querySelector(".words")?.textContent ?? "Ready";
    const value = drawn.querySelector("progress")?.getAttribute("value") ?? null;
    const { state, revision } = drawn.dataset;
    show({ id, state, words, percent: value === null ? null : Number(value), revision });
  }
}

/** In a lesson: what became ready is shown after a reload, when the reader likes. */
function offerReload(shown) {
  if (shown.querySelector("a")) return;
  const link = element("a", "button", "Show it");
  link.href = location.pathname;
  shown.append(link);
}

const watched = new Set();

/** Files that somebody looks at go forward in line: tells the site which wait on this page, each once. */
const watch = debounce(() => {
  if (document.hidden) return;
  const waiting = [...document.querySelectorAll("[data-upload-id][data-state='waiting']")].map(({ dataset }) => dataset.uploadId);
  const ids = waiting.filter((id) => !watched.has(id));
  for (const id of ids) watched.add(id);
  // Without it they wait no longer than others do.
  if (ids.length > 0) post("/uploads/watched/", { ids: ids.join() }).catch(() => {});
}, 2000);

/** Stops a file, or tries it again, without leaving the page. */
document.addEventListener("submit", async (event) => {
  const form = event.target.closest?.("form.turn");
  const shown = form?.closest("[data-upload-id]");
  if (!shown) return;
  event.preventDefault();
  const hadFocus = form.contains(document.activeElement);
  try {
    const answer = await post(event.submitter?.getAttribute("formaction") ?? form.action, {});
    await show(await answer.json());
  } catch (error) {
    showFault(error.message);
    readAgain();
  }
  // The button is gone; the other one stands in its place.
  if (hadFocus && shown.isConnected) [...form.querySelectorAll("button")].find((button) => button.offsetParent)?.focus();
});

document.addEventListener("visibilitychange", watch);
watch();
showOnTheirWay();
