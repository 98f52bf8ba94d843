// The library: rows that are drawn anew when their file is ready, files chosen together, and uploads that go on.

import { announce, element, goAtOnce, icon } from "./common.js";
import { onEvent } from "./events.js";
import { isOlder, setState, tellAgain } from "./teach-live.js";
import { size } from "./words.js";

/** The page as the site draws it now; nothing when it cannot be had. */
async function drawn() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    return answer.ok && !answer.redirected ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    // The next load of the page tells.
    return null;
  }
}

/** How to find the focused element again after its surroundings were drawn anew. */
function focusIn(part) {
  const { activeElement } = document;
  if (!part.contains(activeElement)) return null;
  const name = activeElement.getAttribute("aria-label");
  if (activeElement.name) return `[name="${CSS.escape(activeElement.name)}"][value="${CSS.escape(activeElement.value)}"], select[name="${CSS.escape(activeElement.name)}"]`;
  return name ? `[aria-label="${CSS.escape(name)}"]` : null;
}

/** Puts the site's drawing in the place of a part of the page. */
function swap(old, fresh) {
  if (!old || !fresh) return;
  const focused = focusIn(old);
  old.replaceWith(document.adoptNode(fresh));
  if (focused) fresh.querySelector(focused)?.focus();
}

/** A file is ready: its row gets its picture and length. A menu that is open is not taken away. */
async function drawRow(id) {
  const row = document.getElementById(`file-${Number(id)}`);
  if (!row) return;
  const page = await drawn();
  if (row.querySelector("details[open]")) return;
  const [shown, fresh] = [document, page].map((each) => each?.getElementById(`file-${Number(id)}`));
  // A page that was longer on its way than the next tells what is over.
  if (!shown || !fresh || isOlder(fresh.dataset.revision, shown.dataset.revision)) return;
  swap(shown, fresh);
  tellAgain(id);
}

/** What changes with a new file; the form between them stays, since something may be being typed there. */
const LISTED = ["#files .chips", "#files table", "#files .paging"];

/** A file has come in: the list, its counts and what it takes altogether are those of now. */
async function drawList() {
  const page = await drawn();
  if (!page) return;
  swap(document.querySelector("#totals"), page.querySelector("#totals"));
  const isListed = (part) => document.querySelector(part) && page.querySelector(part);
  const parts = LISTED.every(isListed) ? LISTED : ["#files"];
  for (const part of parts) swap(document.querySelector(part), page.querySelector(part));
  for (const row of document.querySelectorAll(".file-row")) {
    const { uploadId: id, state } = row.dataset;
    tellAgain(id);
    if (row.dataset.state !== state) drawRow(id);
  }
  // Selects that were not there when the page was loaded go at once, too.
  if (parts !== LISTED) goAtOnce(document.querySelector("#files"));
}

onEvent("upload", ({ id, state }) => {
  const row = document.getElementById(`file-${Number(id)}`);
  if (row && (state === "ready" || row.dataset.drawn !== state)) {
    row.dataset.drawn = state;
    if (state !== "processing") drawRow(id);
  }
});

/** Takes away what has become a row; whoever was at it finds herself where files are sent. */
function dismiss(part) {
  const hadFocus = part.contains(document.activeElement);
  part.remove();
  if (hadFocus) document.querySelector("[data-pick]")?.focus({ preventScroll: true });
}

document.addEventListener("arrived", async ({ detail: card }) => {
  await drawList();
  dismiss(card);
});

// ---- files chosen together

const boxes = () => [...document.querySelectorAll(".file-row input[name=file]")];
/** What is chosen stays chosen when its row is drawn anew. */
const chosen = new Set();

function showChosen() {
  const all = boxes();
  const count = all.filter((box) => box.checked).length;
  const head = document.querySelector("[data-all]");
  if (head) {
    head.checked = count > 0 && count === all.length;
    head.indeterminate = count > 0 && count < all.length;
  }
  const words = document.querySelector(".chosen-words");
  const said = count === 0 ? "" : `${count === 1 ? "1 file" : `${count} files`} chosen`;
  if (words && words.textContent !== said) words.textContent = said;
}

function keepChosen() {
  for (const box of boxes()) box.checked ||= chosen.has(box.value);
  showChosen();
}

document.addEventListener("change", ({ target }) => {
  if (target.matches?.("[data-all]")) for (const box of boxes()) box.checked = target.checked;
  if (!target.matches?.("[data-all], input[name=file]")) return;
  for (const box of boxes()) chosen[box.checked ? "add" : "delete"](box.value);
  showChosen();
});

new MutationObserver(keepChosen).observe(document.querySelector(".library"), { childList: true, subtree: true });
// Coming back by the browser's button, boxes are as they were left.
window.addEventListener("pageshow", () => {
  for (const box of boxes()) if (box.checked) chosen.add(box.value);
  showChosen();
});

// ---- uploads that go on

/** The same file is chosen again and goes on where it stopped. */
function continuing(line) {
  const button = line.querySelector("[data-continue]");
  const picker = element("input");
  picker.type = "file";
  picker.hidden = true;
  picker.setAttribute("aria-label", `The file ${line.dataset.name}`);
  line.append(picker);
  let controller = null;
  let chosen = null;
  const offer = (words, shape) => {
    button.replaceChildren(icon(shape), words);
    button.setAttribute("aria-label", `${words}: ${line.dataset.name}`);
  };
  const show = (state, words, percent) => setState(line, { state, words, percent: percent ?? line.querySelector("progress").value });
  const stop = (words) => {
    controller?.abort();
    controller = null;
    offer("Continue", "play");
    show("paused", words);
    announce(`${line.dataset.name}: ${words}`);
  };
  const go = async () => {
    controller = new AbortController();
    const { signal } = controller;
    offer("Pause", "pause");
    const { module, content, unfinished } = line.dataset;
    const metadata = module ? { module } : content ? { content } : {};
    const report = (words, percent) => !signal.aborted && show("uploading", words, percent);
    try {
      const { sendResumably } = await import("./resumable.js");
      await sendResumably({ endpoint: "/uploads/", file: chosen, metadata, held: { url: `/uploads/${unfinished}` }, report, signal });
      announce(`${line.dataset.name}: Upload complete!`);
      await drawList();
      const list = line.parentElement;
      dismiss(list.children.length > 1 ? line : list.closest("section"));
    } catch (error) {
      if (error.name !== "AbortError") stop(`Failed: ${error.message}`);
    }
  };
  button.addEventListener("click", () => {
    if (controller) stop("Paused");
    else if (chosen) go();
    else picker.click();
  });
  picker.addEventListener("change", () => {
    const [file] = picker.files;
    picker.value = "";
    if (!file) return;
    const { name, size: bytes } = line.dataset;
    if (bytes && Number(bytes) !== file.size) {
      stop(`This is another file: it has ${size(file.size)}, and ${name} has ${size(Number(bytes))}.`);
      return;
    }
    chosen = file;
    go();
  });
}

for (const line of document.querySelectorAll("[data-unfinished]")) continuing(line);
