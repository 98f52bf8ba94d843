// Captions: which language, remembered by the browser, and drawn clear of the controls.

import { element } from "./common.js";
import { memory, menuButton, relabel } from "./player-parts.js";

const KEY = "captions";
const OFF = "off";

/** The captions of a recording. Tells `change` when another language is chosen. */
export class Captions extends EventTarget {
  #media;
  #shown = null;

  constructor(media) {
    super();
    this.#media = media;
    this.tracks = [...media.textTracks].filter((each) => each.kind === "captions" || each.kind === "subtitles");
    // Drawn by us: the browser's own would lie under the controls.
    for (const track of this.tracks) track.mode = "disabled";
    const wanted = memory.get(KEY);
    const found = this.tracks.find((track) => track.language === wanted);
    if (found) this.#use(found);
  }

  /** The language that is shown, or null. */
  get shown() {
    return this.#shown;
  }

  /** Shows a language, or none. */
  choose(track) {
    this.#use(track);
    memory.set(KEY, track ? track.language : OFF);
  }

  /** Off, the first language, the second, ..., off. Gives what is shown now, in words. */
  cycle() {
    const at = this.tracks.indexOf(this.#shown);
    this.choose(this.tracks[at + 1] ?? null);
    return this.#shown ? this.#shown.label : "Captions off";
  }

  #use(track) {
    this.#shown?.removeEventListener("cuechange", this.#draw);
    this.#shown = track;
    if (track) {
      track.mode = "hidden";
      track.addEventListener("cuechange", this.#draw);
    }
    this.#draw();
    this.dispatchEvent(new Event("change"));
  }

  #draw = () => this.dispatchEvent(new CustomEvent("cues", { detail: [...(this.#shown?.activeCues ?? [])] }));

  /** The box in which they stand over a film. */
  box() {
    const box = element("div", "cues");
    this.addEventListener("cues", ({ detail: cues }) => {
      const lines = cues.map((cue) => {
        const line = element("p");
        line.lang = this.#shown.language;
        line.append(cue.getCueAsHTML());
        return line;
      });
      box.replaceChildren(...lines);
      box.classList.toggle("high", cues.some((cue) => typeof cue.line === "number" && cue.line >= 0 && cue.line < (cue.snapToLines ? 5 : 40)));
    });
    // On its own full screen a telephone draws them itself.
    this.#media.addEventListener("webkitbeginfullscreen", () => this.#shown && (this.#shown.mode = "showing"));
    this.#media.addEventListener("webkitendfullscreen", () => this.#shown && (this.#shown.mode = "hidden"));
    return box;
  }

  /** The button with its menu of languages; null where there are no captions. */
  button() {
    if (this.tracks.length === 0) return null;
    const groups = () => [
      {
        label: "Captions",
        options: [
          { label: "Off", checked: !this.#shown, act: () => this.choose(null) },
          ...this.tracks.map((track) => ({ label: track.label, lang: track.language, checked: this.#shown === track, act: () => this.choose(track) })),
        ],
      },
    ];
    const { holder, opener } = menuButton("Captions (c)", "captions", groups, "cc");
    const show = () => {
      opener.classList.toggle("on", Boolean(this.#shown));
      relabel(opener, this.#shown ? `Captions: ${this.#shown.label} (c)` : "Captions: off (c)");
    };
    this.addEventListener("change", show);
    show();
    return holder;
  }
}

/** Loads the cues of a track without showing them. Gives them in the order in which they begin. */
export function cuesOf(media, track) {
  const loaded = () => [...(track.cues ?? [])];
  const holder = [...media.querySelectorAll("track")].find((each) => each.track === track);
  if (track.mode === "disabled") track.mode = "hidden";
  // HTML, "readyState" of a track: 2 is loaded, 3 is failed.
  if (!holder || holder.readyState >= 2) return Promise.resolve(loaded());
  return new Promise((resolve) => {
    holder.addEventListener("load", () => resolve(loaded()), { once: true });
    holder.addEventListener("error", () => resolve([]), { once: true });
  });
}
