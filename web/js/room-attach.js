// The pictures that are being added to a line: chosen, pasted or dropped, each with a description, how it stands, and a
// way to be rid of it.

import { announce, element, icon } from "./common.js";
import { Picture } from "./room-picture.js";
import { size } from "./words.js";

/** Pictures in one line; the site takes no more. */
const MOST = 4;
/** Characters of a description; the site takes no more. */
const ALT_LIMIT = 500;

export class Attach {
  #address;
  #most;
  #list;
  #onChange;
  #onFault;
  #entries = [];

  /** @param {{root: HTMLElement, onChange: () => void, onFault: (words: string) => void}} given */
  constructor({ root, onChange, onFault }) {
    this.#address = root.dataset.pictures;
    this.#most = Number(root.dataset.pictureBytes);
    this.#list = document.getElementById("room-attached");
    this.#onChange = onChange;
    this.#onFault = onFault;
  }

  get isEmpty() {
    return this.#entries.length === 0;
  }

  /** Why the line cannot go with them, if one cannot be shown. */
  get fault() {
    const failed = this.#entries.find(({ picture }) => picture.state === "failed");
    return failed ? `${failed.picture.name} cannot be shown. Remove it, then send the line.` : null;
  }

  /** What can be kept of them in the browser. */
  get kept() {
    return this.#entries.map(({ picture }) => picture.kept);
  }

  /** Begins to send files. */
  add(files) {
    const faults = [];
    for (const file of files) {
      if (!file.type.startsWith("image/") || file.type.includes("svg")) faults.push(`${file.name} is no picture that can be shown here.`);
      else if (this.#most > 0 && file.size > this.#most) faults.push(`${file.name} has ${size(file.size)}; this site takes pictures up to ${size(this.#most)}.`);
      else if (this.#entries.length >= MOST) faults.push(`A line carries up to ${MOST} pictures. Send the others with the next one.`);
      else this.#show(new Picture(this.#address, { file, name: file.name }));
    }
    if (faults.length > 0) this.#onFault([...new Set(faults)].join(" "));
    this.#changed();
  }

  /** Puts those back that were kept, or are on their way already. */
  put(pictures) {
    for (const each of pictures.slice(0, MOST - this.#entries.length)) {
      this.#show(each instanceof Picture ? each : new Picture(this.#address, each));
    }
    this.#changed();
  }

  /** Hands them to the line that is said. */
  take() {
    const pictures = this.#entries.map(({ picture, end }) => {
      end();
      return picture;
    });
    this.#entries = [];
    this.#changed();
    return pictures;
  }

  #changed() {
    this.#list.replaceChildren(...this.#entries.map(({ item }) => item));
    this.#list.hidden = this.isEmpty;
    this.#onChange();
  }

  #show(picture) {
    const item = element("li");
    const shown = element("span", "thumbnail");
    const words = element("span", "state");
    const progress = element("progress");
    progress.max = 100;
    progress.setAttribute("aria-label", `Sending ${picture.name}`);
    const label = element("label");
    label.append(element("span", "name", picture.name));
    const field = element("input");
    Object.assign(field, { type: "text", value: picture.alt, maxLength: ALT_LIMIT, placeholder: "What it shows, for who cannot see it" });
    field.addEventListener("input", () => {
      picture.alt = field.value;
      this.#onChange();
    });
    // The line is not said from here by accident.
    field.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
    label.append(element("span", "sr-only", " shows: "), field);
    const away = element("button", "icon-button");
    away.type = "button";
    away.setAttribute("aria-label", `Remove ${picture.name}`);
    away.append(icon("x"));
    const about = element("div", "about-picture");
    about.append(label, words, progress);
    item.append(shown, about, away);
    const draw = () => {
      this.#draw({ picture, item, shown, words, progress });
      if (picture.upload) this.#onChange();
    };
    const entry = { picture, item, end: picture.watch(draw) };
    away.addEventListener("click", () => this.#remove(entry));
    this.#entries.push(entry);
    this.#draw({ picture, item, shown, words, progress });
  }

  #draw({ picture, item, shown, words, progress }) {
    const before = item.dataset.state;
    item.dataset.state = picture.state;
    words.textContent = picture.words;
    progress.hidden = picture.state !== "sending" && picture.state !== "processing";
    if (picture.percent === null) progress.removeAttribute("value");
    else progress.value = picture.percent;
    if (picture.preview && !shown.querySelector("img")) {
      const image = element("img");
      image.src = picture.preview.url;
      image.alt = "";
      shown.replaceChildren(image);
    } else if (!shown.hasChildNodes()) {
      shown.append(icon("image"));
    }
    const isNews = before && before !== picture.state && ["ready", "failed"].includes(picture.state);
    if (isNews) announce(`${picture.name}: ${picture.words}`);
  }

  #remove(entry) {
    const place = this.#entries.indexOf(entry);
    this.#entries.splice(place, 1);
    entry.end();
    entry.picture.remove();
    this.#changed();
    const near = this.#entries[Math.min(place, this.#entries.length - 1)];
    (near?.item.querySelector("button") ?? document.getElementById("room-text")).focus();
  }
}
