// What stands over the time line: a small picture of the place that is pointed at, and the chapters.

import { element } from "./common.js";
import { cuesOf } from "./player-captions.js";
import { lengthOf } from "./player-parts.js";
import { clock } from "./words.js";

/** Width of the picture, in CSS pixels: tokens.md. */
const WIDE = 148;

const at = (cues, seconds) => cues.find((cue) => cue.startTime <= seconds && seconds < cue.endTime);

/** The chapters of a recording: `at(seconds)` gives a title, `mark(line)` draws where they begin. */
export function chaptersOf(media) {
  const track = [...media.textTracks].find((each) => each.kind === "chapters");
  let chapters = [];
  const marks = element("div", "marks");
  marks.setAttribute("aria-hidden", "true");
  const draw = () => {
    const length = lengthOf(media);
    const begins = chapters.filter((cue) => cue.startTime > 0 && cue.startTime < length);
    marks.replaceChildren(
      ...begins.map((cue) => {
        const mark = element("i");
        mark.style.setProperty("--from", `${(cue.startTime / length) * 100}%`);
        return mark;
      }),
    );
  };
  if (track) {
    cuesOf(media, track).then((cues) => {
      chapters = cues;
      draw();
    });
    media.addEventListener("durationchange", draw);
  }
  return { marks, at: (seconds) => at(chapters, seconds)?.text ?? "" };
}

/** `sprite-0.jpg#xywh=160,0,160,90` (Media Fragments 1.0), relative to the file of the track. */
function pictureIn(text, base) {
  const found = /^(.+)#xywh=(\d+),(\d+),(\d+),(\d+)$/.exec(text.trim());
  if (!found) return null;
  const url = new URL(found[1], new URL(base, location.href));
  const [x, y, width, height] = found.slice(2).map(Number);
  return url.origin === location.origin && width > 0 ? { url: url.href, x, y, width, height } : null;
}

/** A picture, a chapter and a time over the line: while a pointer is on it, and while keys move it. */
export function previewOver(line, media, chapters) {
  const track = [...media.textTracks].find((each) => each.kind === "metadata" && each.label === "thumbnails");
  const source = [...media.querySelectorAll("track")].find((each) => each.track === track)?.src ?? "";
  const box = element("div", "preview");
  const frame = element("div", "frame");
  const picture = element("div", "picture");
  const title = element("span", "chapter");
  const time = element("span", "at");
  frame.append(picture);
  box.append(frame, title, time);
  box.hidden = true;
  box.setAttribute("aria-hidden", "true");
  let cues = null;
  let wanted = 0;

  /** Where captions have to keep clear of it. */
  function setSide(side) {
    const player = line.closest(".player");
    if (player) player.dataset.preview = side;
  }
  function load() {
    if (!track || cues) return;
    cues = [];
    cuesOf(media, track).then((found) => {
      cues = found;
      draw();
    });
  }
  function draw() {
    const found = at(cues ?? [], wanted);
    const shown = found ? pictureIn(found.text, source) : null;
    frame.hidden = !shown;
    if (shown) {
      const scale = WIDE / shown.width;
      frame.style.setProperty("--tall", `${Math.round(shown.height * scale)}px`);
      Object.assign(picture.style, {
        width: `${shown.width}px`,
        height: `${shown.height}px`,
        backgroundImage: `url("${shown.url}")`,
        backgroundPosition: `-${shown.x}px -${shown.y}px`,
        transform: `scale(${scale})`,
      });
    }
    title.textContent = chapters.at(wanted);
    time.textContent = clock(wanted);
  }
  function show(seconds) {
    load();
    const length = lengthOf(media);
    if (!(length > 0)) return;
    wanted = Math.min(Math.max(seconds, 0), length);
    box.hidden = false;
    draw();
    const room = line.parentElement.clientWidth;
    const half = box.offsetWidth / 2;
    const middle = line.offsetLeft + (wanted / length) * line.offsetWidth;
    const share = wanted / length;
    setSide(share < 0.35 ? "left" : share > 0.65 ? "right" : "middle");
    box.style.setProperty("--x", `${Math.min(Math.max(middle, half), room - half)}px`);
  }
  const hide = () => {
    box.hidden = true;
    setSide("");
  };
  const under = (event) => {
    const { left, width } = line.getBoundingClientRect();
    return ((event.clientX - left) / width) * lengthOf(media);
  };
  line.addEventListener("pointermove", (event) => show(under(event)));
  line.addEventListener("pointerdown", (event) => show(under(event)));
  for (const type of ["pointerleave", "pointercancel", "blur"]) line.addEventListener(type, hide);
  line.addEventListener("pointerup", (event) => event.pointerType !== "mouse" && hide());
  line.addEventListener("focus", () => line.matches(":focus-visible") && show(Number(line.value)));
  line.addEventListener("input", () => show(Number(line.value)));
  return box;
}
