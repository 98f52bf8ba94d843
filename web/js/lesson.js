// The lesson page: players, the place where one stopped, done marks, and the content in view.

import { announce, post } from "./common.js";
import { enhanceAudio, enhanceVideo } from "./player.js";
import "./teach-live.js";

const EVERY_SECONDS = 10;

/** Tells the site where a recording stands: now and then while it plays, at a pause, and on leaving. */
function rememberPosition(media) {
  const url = media.dataset.positionUrl;
  if (!url) return;
  let told = Number(media.dataset.position) || 0;
  const tell = (keepalive = false) => {
    const now = Math.floor(media.ended ? 0 : media.currentTime);
    // Between two sources it stands at no place.
    if (now === told || media.readyState === 0) return;
    told = now;
    // A place that is not remembered is not worth a fault on the page; the next one comes soon.
    post(url, { position: String(now) }, { keepalive }).catch(() => {});
  };
  media.addEventListener("timeupdate", () => {
    if (!media.paused && Math.abs(media.currentTime - told) >= EVERY_SECONDS) tell();
  });
  media.addEventListener("pause", () => tell());
  media.addEventListener("ended", () => {
    tell();
    const form = media.closest(".content")?.querySelector(".mark-done");
    if (form?.elements.done.value === "yes") form.requestSubmit();
  });
  addEventListener("pagehide", () => tell(true));
}

/**
 * Done, and not done again, without leaving the page; if that fails, the form goes its plain way. What nobody pressed, at
 * the end of a recording, leads nowhere: the lesson stays, and the button is there.
 */
async function mark(event) {
  const form = event.target.closest(".mark-done");
  if (!form) return;
  event.preventDefault();
  const done = form.elements.done.value === "yes";
  let answer = {};
  try {
    const response = await post(form.action, { done: form.elements.done.value });
    answer = await response.json().catch(() => ({}));
  } catch {
    if (event.submitter) form.submit();
    return;
  }
  showDone(form, done);
  showProgress(answer);
  announce(done ? "Marked as done" : "Marked as not done");
}

function showDone(form, done) {
  const button = form.querySelector("button");
  form.elements.done.value = done ? "no" : "yes";
  button.classList.toggle("is-done", done);
  button.querySelector("use").setAttribute("href", button.querySelector("use").getAttribute("href").replace(/#.*/, done ? "#circle-check" : "#check"));
  button.querySelector("span").textContent = done ? "Done" : "Mark as done";
  button.querySelector(".sr-only")?.remove();
  if (done) {
    const more = document.createElement("span");
    more.className = "sr-only";
    more.textContent = ", press to mark as not done";
    button.append(more);
  }
  const id = form.closest(".content")?.id;
  document.querySelector(`.hanging a[href="#${CSS.escape(id ?? "")}"]`)?.classList.toggle("done", done);
}

/** `{percent, words}` of the course, if the site tells them. */
function showProgress({ percent, words }) {
  const bar = document.getElementById("course-progress");
  const said = document.getElementById("course-progress-words");
  if (bar && typeof percent === "number") bar.value = percent;
  if (said && typeof words === "string") said.textContent = words;
}

/** Marks in the module list which content is in view. */
function followReader() {
  const links = new Map([...document.querySelectorAll(".hanging a[href^='#']")].map((link) => [link.hash.slice(1), link]));
  if (links.size === 0 || !("IntersectionObserver" in window)) return;
  const seen = new IntersectionObserver((entries) => {
    const entry = entries.find((each) => each.isIntersecting);
    if (!entry || !links.has(entry.target.id)) return;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id).setAttribute("aria-current", "true");
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const content of document.querySelectorAll(".content[id]")) seen.observe(content);
}

/** The room opens beside the lesson where there is a place for it; elsewhere the link leads to its page. */
function roomBeside() {
  const link = document.querySelector(".lesson-main a[data-room]");
  if (!link) return;
  const isWide = matchMedia("(width >= 60rem)");
  const load = () => import("./room-beside.js");
  const name = () => {
    link.toggleAttribute("aria-expanded", isWide.matches);
    if (isWide.matches) {
      link.setAttribute("role", "button");
      link.setAttribute("aria-expanded", String(document.getElementById("lesson-room") !== null));
    } else {
      link.removeAttribute("role");
    }
  };
  link.addEventListener("click", async (event) => {
    if (!isWide.matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    (await load()).toggleRoom(link);
  });
  link.addEventListener("keydown", (event) => {
    if (event.key !== " " || !isWide.matches) return;
    event.preventDefault();
    if (!event.repeat) link.click();
  });
  isWide.addEventListener("change", name);
  name();
  let isWanted = false;
  try {
    isWanted = localStorage.getItem("lyceum-room-beside") === "yes";
  } catch {
    // Storage may be forbidden; then it opens when it is asked for.
  }
  if (isWanted && isWide.matches) load().then(({ toggleRoom }) => toggleRoom(link, { moves: false }));
}

for (const video of document.querySelectorAll(".content video[controls]")) {
  rememberPosition(video);
  enhanceVideo(video);
}
for (const audio of document.querySelectorAll(".recording audio[controls]")) {
  rememberPosition(audio);
  enhanceAudio(audio);
}
document.querySelector("main").addEventListener("submit", mark);
roomBeside();
followReader();
