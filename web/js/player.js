// Players of our own over <video controls> and <audio controls>. Without this module the browser's stay.

import { element, setIcon } from "./common.js";
import { Captions } from "./player-captions.js";
import { listenForKeys } from "./player-keys.js";
import { button, lengthOf, menuButton, playButton, relabel, seek, speedButton, speedGroup, timeLine, times, volumeControls } from "./player-parts.js";
import { chaptersOf, previewOver } from "./player-preview.js";
import { Stream } from "./player-stream.js";

const IDLE_MS = 2500;
const NOTE_MS = 900;
const SLOW_MS = 400;
const RESUME_FROM_SECONDS = 5;

/** Goes on where the reader stopped, unless that is the beginning or the very end. */
function resume(media) {
  const from = Number(media.dataset.position);
  if (!(from > 0)) return;
  const go = () => {
    if (from > RESUME_FROM_SECONDS && from < lengthOf(media) - RESUME_FROM_SECONDS) media.currentTime = from;
  };
  if (media.readyState > 0) go();
  else media.addEventListener("loadedmetadata", go, { once: true });
}

/** Plays, in pieces of fitting size where there are some. A browser may refuse to begin; then nothing changes. */
async function play(media, stream) {
  await stream.start();
  await media.play().catch(() => {});
}

const toggling = (media, stream) => () => {
  if (media.paused) play(media, stream);
  else media.pause();
};

const qualityGroup = (stream) => ({
  label: "Quality",
  options: [
    { label: stream.isAuto && stream.now ? `Auto (${stream.now})` : "Auto", checked: stream.isAuto, act: () => stream.choose(-1) },
    ...stream.levels.map(({ index, name, chosen }) => ({ label: name, checked: chosen, act: () => stream.choose(index) })),
  ],
});

/** What is shown now, and a menu of the others; null where there is one alone. */
function qualityButton(stream) {
  if (!stream.isAdaptive) return null;
  const { holder, opener } = menuButton("Quality", "", () => [qualityGroup(stream)], "quality");
  opener.addEventListener("pointerdown", () => stream.start());
  opener.addEventListener("focus", () => stream.warm());
  const show = () => {
    opener.textContent = stream.now || "Auto";
    relabel(opener, stream.isAuto ? `Quality: Auto${stream.now ? `, now ${stream.now}` : ""}` : `Quality: ${stream.now || "as you chose"}`);
    holder.hidden = !stream.isAdaptive;
  };
  stream.addEventListener("levels", show);
  show();
  return holder;
}

function pictureButton(video) {
  if (!document.pictureInPictureEnabled || video.disablePictureInPicture) return null;
  return button("Picture in picture (i)", "picture-in-picture-2", () => {
    const change = document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture();
    change.catch(() => {});
  }, "pip");
}

/** On narrow players: what stands side by side on wide ones. */
function settingsButton(video, stream, pip) {
  const groups = () => [
    ...(stream.isAdaptive ? [qualityGroup(stream)] : []),
    speedGroup(video),
    ...(pip ? [{ label: "Window", options: [{ label: "Picture in picture", act: () => pip.click() }] }] : []),
  ];
  return menuButton("Settings", "settings", groups, "settings").holder;
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

/** Hides the controls while the film runs and nobody moves. */
function hideWhenIdle(box, video) {
  let timer = 0;
  const wake = () => {
    box.classList.remove("idle");
    clearTimeout(timer);
    if (!video.paused) timer = setTimeout(() => box.classList.toggle("idle", !box.querySelector('[aria-expanded="true"]')), IDLE_MS);
  };
  for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) box.addEventListener(type, wake);
  for (const type of ["play", "pause"]) video.addEventListener(type, wake);
}

/** Says when the next piece is waited for. */
function showStalls(box, media) {
  let timer = 0;
  const set = (slow) => {
    clearTimeout(timer);
    if (slow) timer = setTimeout(() => box.classList.add("waiting"), SLOW_MS);
    else box.classList.remove("waiting");
  };
  for (const type of ["waiting", "seeking"]) media.addEventListener(type, () => set(!media.paused || media.seeking));
  for (const type of ["playing", "canplay", "seeked", "pause", "error", "emptied"]) media.addEventListener(type, () => set(false));
}

/** What went wrong, with a button. */
function faultPanel(stream) {
  const panel = element("div", "fault");
  panel.setAttribute("role", "alert");
  panel.hidden = true;
  const words = element("p");
  panel.append(words, button("Try again", "", () => stream.retry()));
  panel.lastChild.textContent = "Try again";
  stream.addEventListener("fault", ({ detail }) => {
    if (detail !== words.textContent) words.textContent = detail;
    panel.hidden = !detail;
  });
  return panel;
}

/** A word that goes by itself. */
function noteOver() {
  const said = element("div", "note");
  let timer = 0;
  const note = (words) => {
    said.textContent = words;
    clearTimeout(timer);
    timer = setTimeout(() => (said.textContent = ""), NOTE_MS);
  };
  return { said, note };
}

/** The transcript below a recording, when there is one; its script comes with it. */
function transcriptOf(media, captions, jump) {
  const details = media.closest(".content")?.querySelector("details.transcript");
  if (!details || captions.tracks.length === 0) return null;
  const open = async () => {
    try {
      const { openTranscript } = await import("./transcript.js");
      return await openTranscript(details, media, captions, jump);
    } catch {
      // What stands there without a script is better than nothing.
      details.classList.add("plain");
      return null;
    }
  };
  return { open };
}

/** Puts the player over a film. */
export function enhanceVideo(video) {
  const box = element("div", "player");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `Player: ${video.getAttribute("aria-label") ?? "video"}`);
  const stream = new Stream(video);
  const captions = new Captions(video);
  const chapters = chaptersOf(video);
  const toggle = toggling(video, stream);
  const { said, note } = noteOver();
  video.before(box);
  video.removeAttribute("controls");
  video.tabIndex = 0;
  const controls = element("div", "controls");
  const line = element("div", "line");
  const track = timeLine(video, chapters.at);
  const pip = pictureButton(video);
  const right = [captions.button(), speedButton(video), qualityButton(stream), pip, settingsButton(video, stream, pip), fullButton(box, video)].filter(Boolean);
  right[0].classList.add("push");
  line.append(playButton(video, toggle, "toggle"), ...volumeControls(video), times(video), ...right);
  const rail = element("div", "rail");
  rail.append(track, chapters.marks, previewOver(track, video, chapters));
  controls.append(rail, line);
  box.append(video, captions.box(), said, element("div", "spinner"), faultPanel(stream), controls);
  video.addEventListener("click", toggle);
  video.addEventListener("dblclick", () => box.querySelector(".full")?.click());
  for (const type of ["pointerenter", "focusin"]) box.addEventListener(type, () => stream.warm(), { once: true });
  const showWords = () => (captions.tracks.length > 0 ? captions.cycle() : "No captions");
  listenForKeys({ media: video, box, toggle, showWords, note });
  hideWhenIdle(box, video);
  showStalls(box, video);
  resume(video);
  transcriptOf(video, captions, (seconds) => {
    seek(video, seconds);
    if (video.paused) play(video, stream);
  })?.open();
}

/** A round button, a waveform, a speed and a transcript for a recording; its downloads stay beside. */
export function enhanceAudio(audio) {
  const box = audio.closest(".recording");
  box.className = "recording audio";
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `Recording: ${audio.getAttribute("aria-label") ?? "recording"}`);
  audio.removeAttribute("controls");
  const stream = new Stream(audio);
  const captions = new Captions(audio);
  const chapters = chaptersOf(audio);
  const toggle = toggling(audio, stream);
  const track = timeLine(audio, chapters.at);
  const wave = element("div", "wave");
  wave.append(track, chapters.marks, previewOver(track, audio, chapters));
  const line = element("div", "line");
  const downloads = box.querySelector(".downloads");
  line.append(times(audio), speedButton(audio));
  const transcript = transcriptOf(audio, captions, (seconds) => {
    seek(audio, seconds);
    if (audio.paused) play(audio, stream);
  });
  if (transcript) line.append(transcriptButton(transcript));
  if (downloads) line.append(downloads);
  box.prepend(playButton(audio, toggle, "play"), wave, line);
  box.append(faultPanel(stream));
  if (audio.dataset.peaks) import("./waveform.js").then(({ drawWaveform }) => drawWaveform(wave, track, audio.dataset.peaks)).catch(() => {});
  listenForKeys({ media: audio, box, toggle, showWords: () => box.querySelector(".words")?.click(), note: () => {} });
  showStalls(box, audio);
  resume(audio);
}

/** A transcript that is shown when somebody asks for it. */
function transcriptButton({ open }) {
  let shown = null;
  const made = button("Transcript", "captions", async () => {
    if (!shown) {
      shown = await open();
      if (!shown) return;
    } else shown.hidden = !shown.hidden;
    made.setAttribute("aria-expanded", String(!shown.hidden));
  }, "words");
  made.append("Transcript");
  made.setAttribute("aria-expanded", "false");
  return made;
}
