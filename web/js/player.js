// Controls of our own over <video controls> and <audio controls>. Without this module the browser's stay.

import { element, icon, setIcon } from "./common.js";
import { clock } from "./words.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];
const IDLE_MS = 2500;
const NOTE_MS = 900;
const RESUME_FROM_SECONDS = 5;

let latest = null;

function button(label, shape, act, className = "") {
  const made = element("button", className);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.title = label;
  if (shape) made.append(icon(shape));
  made.addEventListener("click", act);
  return made;
}

function relabel(made, label) {
  made.setAttribute("aria-label", label);
  made.title = label;
}

/** Play or pause. A browser may refuse to begin; then the button simply stays as it is. */
function toggle(media) {
  if (media.paused) media.play().catch(() => {});
  else media.pause();
}

function seek(media, seconds) {
  const end = Number.isFinite(media.duration) ? media.duration : seconds;
  media.currentTime = Math.min(Math.max(seconds, 0), end);
}

function stepSpeed(media, by) {
  const at = SPEEDS.indexOf(media.playbackRate);
  const next = SPEEDS[(at < 0 ? 2 : at) + by];
  if (next) media.playbackRate = next;
}

/** Goes on where the reader stopped, unless that is the beginning or the very end. */
function resume(media) {
  const from = Number(media.dataset.position);
  if (!(from > 0)) return;
  const go = () => {
    if (from > RESUME_FROM_SECONDS && from < media.duration - RESUME_FROM_SECONDS) media.currentTime = from;
  };
  if (media.readyState > 0) go();
  else media.addEventListener("loadedmetadata", go, { once: true });
}

/** A play button that always shows what it would do. */
function playButton(media, className) {
  const made = button("Play", "play", () => toggle(media), className);
  const show = () => {
    setIcon(made, media.ended ? "rotate-ccw" : media.paused ? "play" : "pause");
    relabel(made, media.ended ? "Play again" : media.paused ? "Play" : "Pause");
  };
  for (const type of ["play", "pause", "ended", "seeked"]) media.addEventListener(type, show);
  return made;
}

/** The time line. Its fill is a custom property, since the policy of the site forbids style attributes. */
function timeLine(media) {
  const track = document.createElement("input");
  track.type = "range";
  track.className = "track";
  track.min = "0";
  track.max = "0";
  track.step = "0.1";
  track.value = "0";
  track.setAttribute("aria-label", "Time line");
  let held = false;
  const percent = (seconds) => `${media.duration > 0 ? (seconds / media.duration) * 100 : 0}%`;
  const show = () => {
    const now = held ? Number(track.value) : media.currentTime;
    if (!held) track.value = String(now);
    track.style.setProperty("--at", percent(now));
    track.setAttribute("aria-valuetext", `${clock(now)} of ${clock(media.duration)}`);
  };
  media.addEventListener("loadedmetadata", () => {
    track.max = String(media.duration);
    show();
  });
  if (media.readyState > 0) track.max = String(media.duration);
  media.addEventListener("timeupdate", show);
  media.addEventListener("seeked", show);
  media.addEventListener("progress", () => {
    const loaded = media.buffered.length > 0 ? media.buffered.end(media.buffered.length - 1) : 0;
    track.style.setProperty("--loaded", percent(loaded));
  });
  track.addEventListener("input", () => {
    held = true;
    show();
    seek(media, Number(track.value));
  });
  track.addEventListener("change", () => {
    held = false;
  });
  show();
  return track;
}

/** "6:42 / 14:08". */
function times(media, nowTag) {
  const box = element("span", "time");
  const now = element(nowTag, "", "0:00");
  const all = element("span", "", "");
  box.append(now, " ", all);
  const show = () => {
    now.textContent = clock(media.currentTime);
    all.textContent = `/ ${clock(media.duration)}`;
  };
  for (const type of ["timeupdate", "loadedmetadata", "seeked", "durationchange"]) media.addEventListener(type, show);
  show();
  return box;
}

/** The speed, and a press for the next one. */
function speedButton(media) {
  const made = button("Speed", "", () => {
    media.playbackRate = SPEEDS[(SPEEDS.indexOf(media.playbackRate) + 1) % SPEEDS.length] ?? 1;
  }, "speed");
  const show = () => {
    made.textContent = `${media.playbackRate}×`;
    relabel(made, `Speed, now ${media.playbackRate} times`);
  };
  media.addEventListener("ratechange", show);
  show();
  return made;
}

function volumeControls(video) {
  const mute = button("Mute", "volume-2", () => {
    video.muted = !video.muted;
  }, "mute");
  const slider = document.createElement("input");
  slider.type = "range";
  slider.className = "volume";
  slider.min = "0";
  slider.max = "1";
  slider.step = "0.05";
  slider.setAttribute("aria-label", "Volume");
  slider.addEventListener("input", () => {
    video.volume = Number(slider.value);
    video.muted = false;
  });
  const show = () => {
    const level = video.muted ? 0 : video.volume;
    slider.value = String(level);
    slider.style.setProperty("--at", `${level * 100}%`);
    slider.style.setProperty("--loaded", "0%");
    setIcon(mute, level === 0 ? "volume-x" : "volume-2");
    relabel(mute, level === 0 ? "Sound on (m)" : "Mute (m)");
  };
  video.addEventListener("volumechange", show);
  show();
  return [mute, slider];
}

/** Captions on or off, where the film has some. */
function captionsButton(video) {
  const track = () => [...video.textTracks].find((each) => each.kind === "captions" || each.kind === "subtitles");
  if (!track()) return null;
  const made = button("Captions (c)", "captions", () => {
    track().mode = track().mode === "showing" ? "hidden" : "showing";
    show();
  }, "cc");
  const show = () => made.setAttribute("aria-pressed", String(track().mode === "showing"));
  show();
  return made;
}

function pictureButton(video) {
  if (!document.pictureInPictureEnabled || video.disablePictureInPicture) return null;
  return button("Picture in picture", "picture-in-picture-2", () => {
    const change = document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture();
    change.catch(() => {});
  }, "pip");
}

function fullButton(box, video) {
  // iPhones show only the film itself on the full screen.
  if (!document.fullscreenEnabled && video.webkitEnterFullscreen) return button("Full screen", "maximize", () => video.webkitEnterFullscreen(), "full");
  if (!document.fullscreenEnabled) return null;
  const made = button("Full screen (f)", "maximize", () => {
    const change = document.fullscreenElement ? document.exitFullscreen() : box.requestFullscreen();
    change.catch(() => {});
  }, "full");
  document.addEventListener("fullscreenchange", () => {
    setIcon(made, document.fullscreenElement === box ? "minimize" : "maximize");
    relabel(made, document.fullscreenElement === box ? "Leave full screen (f)" : "Full screen (f)");
  });
  return made;
}

/** Keys as people know them from YouTube. Returns what was done, in words, or nothing. */
function act(box, video, key) {
  const at = video.currentTime;
  const actions = {
    k: () => toggle(video),
    " ": () => toggle(video),
    j: () => (seek(video, at - 10), "- 10 s"),
    l: () => (seek(video, at + 10), "+ 10 s"),
    ArrowLeft: () => (seek(video, at - 5), "- 5 s"),
    ArrowRight: () => (seek(video, at + 5), "+ 5 s"),
    ArrowUp: () => ((video.volume = Math.min(1, video.volume + 0.05)), `Volume ${Math.round(video.volume * 100)} %`),
    ArrowDown: () => ((video.volume = Math.max(0, video.volume - 0.05)), `Volume ${Math.round(video.volume * 100)} %`),
    Home: () => seek(video, 0),
    End: () => seek(video, video.duration),
    m: () => ((video.muted = !video.muted), video.muted ? "Muted" : "Sound on"),
    f: () => box.querySelector(".full")?.click(),
    c: () => box.querySelector(".cc")?.click(),
    "<": () => (stepSpeed(video, -1), `${video.playbackRate}×`),
    ">": () => (stepSpeed(video, 1), `${video.playbackRate}×`),
  };
  if (/^[0-9]$/.test(key)) return [true, seek(video, (video.duration * Number(key)) / 10)];
  const action = actions[key.length === 1 ? key.toLowerCase() : key];
  return action ? [true, action()] : [false];
}

function listenForKeys(box, video, note) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inside = box.contains(event.target);
    const on = event.target.closest?.("a, button, input, select, textarea, summary, [contenteditable]");
    if (!inside && (latest !== video || on)) return;
    // Outside the player arrows scroll and space pages down; a focused button takes space, a slider its arrows.
    if (!inside && /^( |Arrow.*|Home|End)$/.test(event.key)) return;
    if (event.key === " " && event.target.closest("button")) return;
    if (/^(Arrow|Home|End)/.test(event.key) && event.target.matches(".volume")) return;
    const [done, words] = act(box, video, event.key);
    if (!done) return;
    event.preventDefault();
    if (words) note(words);
  });
}

/** Hides the controls while the film runs and nobody moves. */
function hideWhenIdle(box, video) {
  let timer = 0;
  const wake = () => {
    box.classList.remove("idle");
    clearTimeout(timer);
    if (!video.paused) timer = setTimeout(() => box.classList.add("idle"), IDLE_MS);
  };
  for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) box.addEventListener(type, wake);
  for (const type of ["play", "pause"]) video.addEventListener(type, wake);
}

/** Puts the player over a film. */
export function enhanceVideo(video) {
  const box = element("div", "player");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `Player: ${video.getAttribute("aria-label") ?? "video"}`);
  const said = element("div", "note");
  let timer = 0;
  const note = (words) => {
    said.textContent = words;
    clearTimeout(timer);
    timer = setTimeout(() => (said.textContent = ""), NOTE_MS);
  };
  video.before(box);
  video.removeAttribute("controls");
  video.tabIndex = 0;
  const controls = element("div", "controls");
  const line = element("div", "line");
  const right = [captionsButton(video), speedButton(video), pictureButton(video), fullButton(box, video)].filter(Boolean);
  right[0].classList.add("push");
  line.append(playButton(video, "toggle"), ...volumeControls(video), times(video, "b"), ...right);
  controls.append(timeLine(video), line);
  box.append(video, said, controls);
  video.addEventListener("click", () => toggle(video));
  video.addEventListener("dblclick", () => box.querySelector(".full")?.click());
  video.addEventListener("play", () => (latest = video));
  video.addEventListener("error", () => note("This video cannot be played here"));
  listenForKeys(box, video, note);
  hideWhenIdle(box, video);
  resume(video);
}

/** A round button, a time line and a speed for a recording; its downloads stay beside. */
export function enhanceAudio(audio) {
  const box = audio.closest(".recording");
  const name = audio.getAttribute("aria-label") ?? "recording";
  box.className = "recording audio";
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `Recording: ${name}`);
  audio.removeAttribute("controls");
  const line = element("div", "line");
  const downloads = box.querySelector(".downloads");
  line.append(times(audio, "b"), speedButton(audio));
  if (downloads) line.append(downloads);
  box.prepend(playButton(audio, "play"), timeLine(audio), line);
  audio.addEventListener("play", () => (latest = audio));
  resume(audio);
}
