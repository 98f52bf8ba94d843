// Uploads with progress: forms with a file field, and drop zones that take several files, one after the
// other. Without this module the forms are sent plainly and work as well.

import { announce, element, icon, showFault, uploadState } from "./common.js";
import { setState, showOnTheirWay } from "./teach-live.js";
import { newKey, transfer } from "./transfer.js";
import { size } from "./words.js";

const EXTENSIONS = {
  video: ["mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "wmv", "flv", "ogv", "3gp"],
  audio: ["mp3", "wav", "flac", "m4a", "aac", "ogg", "oga", "opus", "aif", "aiff", "wma", "amr"],
  image: ["jpg", "jpeg", "png", "webp", "avif", "gif"],
};

const running = new Set();

window.addEventListener("beforeunload", (event) => {
  if (running.size > 0) event.preventDefault();
});

/** video, audio, image or file: a guess for the address only, the site looks at the bytes. */
function kindOf(file) {
  const extension = file.name.split(".").pop().toLowerCase();
  for (const [kind, extensions] of Object.entries(EXTENSIONS)) {
    if (extensions.includes(extension)) return kind;
  }
  const type = file.type.split("/")[0];
  return type in EXTENSIONS && !file.type.includes("svg") ? type : "file";
}

function tooLarge(file, most) {
  return most > 0 && file.size > most ? `The file has ${size(file.size)}; this site takes up to ${size(most)}.` : "";
}

/** Files dropped on `zone` go to `take`; it is marked while something hovers over it. */
function takeDrops(zone, take) {
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  zone.addEventListener("dragenter", (event) => holdsFiles(event) && mark(1));
  zone.addEventListener("dragleave", (event) => holdsFiles(event) && mark(-1));
  zone.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  zone.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    zone.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
}

// ---- a form with one file field

function formUpload(form) {
  const field = form.querySelector("input[type=file]");
  if (!field) return;
  const zone = field.closest("[data-drop]");
  if (zone) {
    takeDrops(zone, (files) => {
      const chosen = new DataTransfer();
      if (files[0]) chosen.items.add(files[0]);
      field.files = chosen.files;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
  const title = form.elements.title;
  field.addEventListener("change", () => {
    const file = field.files[0];
    if (file && title && title.value === "") title.value = file.name.replace(/\.[^.]+$/, "").slice(0, 250);
  });
  form.addEventListener("submit", (event) => {
    const file = field.files[0];
    if (!file) return;
    event.preventDefault();
    sendForm(form, field, file);
  });
}

async function sendForm(form, field, file) {
  if (running.has(form)) return;
  const line = progressLine(form, file);
  const fault = tooLarge(file, Number(form.dataset.maxBytes));
  if (fault) {
    line.fail(fault);
    return;
  }
  running.add(form);
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  line.begin();
  try {
    const { content, tusEndpoint: endpoint } = form.dataset;
    const isReplaced = content && !form.elements.url?.value;
    const { answer, url } = isReplaced
      ? await (await load("./resumable.js")).replaceFile({ form, field, endpoint, content, line })
      : await transfer(form.action, new FormData(form), line.report, line.signal());
    running.delete(form);
    line.report(answer.message ?? "Upload complete!", 100);
    announce(answer.message ?? "Upload complete!");
    location.assign(safe(answer.next) ?? form.dataset.next ?? url.split("?")[0]);
  } catch (error) {
    running.delete(form);
    button.disabled = false;
    if (error.name === "AbortError") line.remove();
    else line.fail(error.message);
  }
}

/** Only a path of this site is followed. */
function safe(next) {
  return typeof next === "string" && next.startsWith("/") && !next.startsWith("//") ? next : undefined;
}

/** The line under a form that tells how far its file is, with Cancel, and Try again after a fault. */
function progressLine(form, file) {
  form.querySelector(".upload-line")?.remove();
  const box = element("div", "upload-line");
  const words = element("span", "state");
  const said = element("span", "words");
  const bar = document.createElement("progress");
  const button = element("button", "button");
  let controller = new AbortController();
  button.type = "button";
  bar.max = 100;
  bar.setAttribute("aria-label", `Progress of ${file.name}`);
  words.append(icon("arrow-up-to-line"), said);
  const row = element("div", "row");
  row.append(words, button);
  box.append(element("span", "name", `${file.name}, ${size(file.size)}`), row, bar);
  (form.querySelector(".actions") ?? form).before(box);
  const report = (text, percent) => {
    said.textContent = text;
    if (percent === null) bar.removeAttribute("value");
    else bar.value = percent;
  };
  return {
    report,
    signal: () => controller.signal,
    remove: () => box.remove(),
    begin() {
      controller = new AbortController();
      words.classList.remove("fault");
      button.replaceChildren("Cancel");
      button.onclick = () => controller.abort();
      report("Uploading 0 %", 0);
      announce(`Uploading ${file.name}`);
    },
    fail(reason) {
      words.className = "state fault";
      words.querySelector("svg").replaceWith(icon("circle-alert"));
      said.textContent = `Failed: ${reason}`;
      bar.remove();
      button.replaceChildren(icon("rotate-cw"), "Try again");
      button.onclick = () => form.requestSubmit();
      announce(`Failed: ${reason}`);
    },
  };
}

// ---- a drop zone in the outline or the library

const line = [];
let busy = false;

function dropZone(form) {
  const zone = form.closest(".module, [data-zone]");
  const rows = zone.querySelector(".rows");
  const picker = document.createElement("input");
  picker.type = "file";
  picker.multiple = true;
  picker.hidden = true;
  picker.setAttribute("aria-label", "Files to add");
  form.append(picker);
  const take = async (files) => {
    // The site tells of them together; it is told how many they are, for they go one after the other.
    const batch = { id: newKey(), files: files.length };
    try {
      const { makeCard } = await load("./upload-card.js");
      for (const file of files) enqueue(form, makeCard(file, kindOf(file)), file, rows, batch);
    } catch (error) {
      showFault(error.message);
    }
  };
  takeDrops(zone, take);
  picker.addEventListener("change", () => {
    take([...picker.files]);
    picker.value = "";
  });
  form.querySelector("[data-pick]")?.addEventListener("click", (event) => {
    event.preventDefault();
    picker.click();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}

function enqueue(form, card, file, rows, batch) {
  rows.append(card.row);
  const job = { form, file, card, batch, held: {}, controller: new AbortController() };
  card.onCancel = () => {
    stop(job);
    job.held.end?.();
    if (!job.hasFailed) batch.files -= 1;
    card.row.remove();
    showOnTheirWay();
  };
  card.onRetry = () => {
    batch.files += 1;
    job.hasFailed = false;
    wait(job);
  };
  card.onPause = () => {
    stop(job);
    card.offer("resume");
    setState(card.row, { state: "paused", words: pausedAt(job.percent), percent: job.percent ?? 0 });
    announce(`${file.name} is paused`);
  };
  card.onResume = () => wait(job);
  const { maxBytes, imageMaxBytes } = form.dataset;
  const fault = tooLarge(file, Number(kindOf(file) === "image" && imageMaxBytes ? imageMaxBytes : maxBytes));
  if (fault) failed(job, fault);
  else wait(job);
}

function failed(job, fault) {
  job.hasFailed = true;
  job.batch.files -= 1;
  job.card.fail(fault);
}

function stop(job) {
  job.controller.abort();
  if (line.includes(job)) line.splice(line.indexOf(job), 1);
}

function pausedAt(percent) {
  return `Paused at ${Math.floor(percent ?? 0)} %`;
}

function wait(job) {
  job.card.offer(job.form.dataset.tusEndpoint ? "pause" : "");
  job.controller = new AbortController();
  line.push(job);
  setState(job.card.row, { state: "waiting", words: "Waits for the upload before it" });
  work();
}

/** One file at a time: two would only halve each other's speed. */
async function work() {
  if (busy) return;
  busy = true;
  for (let job = line.shift(); job; job = line.shift()) {
    running.add(job);
    await send(job);
    running.delete(job);
  }
  busy = false;
}

async function send(job) {
  const { file, card, controller } = job;
  const { signal } = controller;
  setState(card.row, { state: "uploading", words: `Uploading ${Math.floor(job.percent ?? 0)} %`, percent: job.percent ?? 0 });
  announce(`Uploading ${file.name}`);
  const report = (words, percent) => {
    if (signal.aborted) return;
    if (percent !== null) job.percent = percent;
    setState(card.row, { state: "uploading", words, percent });
  };
  try {
    const answer = await sent(job, report, signal);
    card.offer("");
    announce(`${file.name}: ${answer.message ?? "Upload complete!"}`);
    await card.arrived(answer);
    job.form.dispatchEvent(new CustomEvent("arrived", { bubbles: true, detail: card.row }));
  } catch (error) {
    if (error.name === "AbortError") return;
    card.offer("");
    failed(job, error.message);
  }
}

/** The site's answer, in either way: in pieces that survive a broken line, or as a form. */
async function sent({ form, file, held, batch }, report, signal) {
  const { action, module, tusEndpoint: endpoint } = form.dataset;
  if (endpoint) {
    const together = { batch: batch.id, batch_files: String(batch.files) };
    const metadata = module ? { module, ...together } : together;
    const { sendResumably } = await load("./resumable.js");
    const { upload, content } = await sendResumably({ endpoint, file, metadata, held, report, signal });
    return { ...(await stateOf(upload)), upload, content };
  }
  // Without a title the site makes one of the file's name.
  const body = new FormData(form);
  body.set("file", file, file.name);
  const { answer } = await transfer(action.replace("{kind}", kindOf(file)), body, report, signal);
  return answer;
}

/** Loaded with the first file: a page that is only read does not need it. */
async function load(path) {
  try {
    return await import(path);
  } catch {
    throw new Error("The site cannot be reached. Check your connection and try again.");
  }
}

/** How a file stands that has just arrived. */
async function stateOf(upload) {
  // Where it cannot be told the next event tells.
  const { state, words, revision } = (await uploadState(upload).catch(() => null)) ?? {};
  return { state, words, revision };
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  if (form.dataset.action) dropZone(form);
  else formUpload(form);
}
