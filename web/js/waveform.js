// The waveform of a recording, drawn over its time line, which stays the real control.

const SVG = "http://www.w3.org/2000/svg";
const TALL = 56;
/** Room of a bar, in CSS pixels. */
const STEP = 4;
const LEAST = 2;

/** As many bars as there is room for, each as high as the loudest peak in its part. */
function barsOf(peaks, count) {
  return Array.from({ length: count }, (_, at) => {
    const from = Math.floor((at * peaks.length) / count);
    const to = Math.max(from + 1, Math.floor(((at + 1) * peaks.length) / count));
    return Math.max(...peaks.slice(from, to)) / 255;
  });
}

const pathOf = (bars) =>
  bars
    .map((share, at) => {
      const tall = Math.max(LEAST, share * (TALL - 4));
      return `M${at * STEP + STEP / 2} ${((TALL - tall) / 2).toFixed(1)}v${tall.toFixed(1)}`;
    })
    .join("");

function make(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Draws the peaks behind `track` in `box`; without peaks the time line stays as it is. */
export async function drawWaveform(box, track, url) {
  let peaks;
  try {
    const answer = await fetch(url, { credentials: "same-origin" });
    peaks = answer.ok ? (await answer.json()).peaks : null;
  } catch {
    return;
  }
  if (!Array.isArray(peaks) || peaks.length === 0) return;
  const rest = make("path", { class: "rest" });
  const played = make("path", { class: "played" });
  const part = make("svg", { class: "part", height: TALL, width: "0" }, played);
  const picture = make("svg", { class: "waveform", "aria-hidden": "true", height: TALL, preserveAspectRatio: "none" }, rest, part);
  box.prepend(picture);
  box.classList.add("has-wave");
  let share = 0;
  const follow = () => part.setAttribute("width", String(share * box.clientWidth));
  const draw = () => {
    const count = Math.max(10, Math.floor(box.clientWidth / STEP));
    const path = pathOf(barsOf(peaks, count));
    rest.setAttribute("d", path);
    played.setAttribute("d", path);
    follow();
  };
  track.addEventListener("moved", (event) => {
    share = event.detail;
    follow();
  });
  new ResizeObserver(draw).observe(box);
  track.dispatchEvent(new Event("change"));
}
