// One picture that somebody adds to a line: sent, followed until the site has made it ready, and tried again when the
// connection breaks. What it is in and how that looks is the business of room-attach.js and room-outbox.js.

import { csrfToken } from "./common.js";
import { onEvent } from "./events.js";
import { fit } from "./room-words.js";
import { transfer } from "./transfer.js";

/** Between tries, and between looks at how it stands where no event tells. */
const FIRST_WAIT_MS = 1500;
const LONGEST_WAIT_MS = 20_000;

/** Those whose bytes are in this page alone. */
const unsent = new Set();
/** Those that the site is making ready, by the number of their upload. */
const followed = new Map();

window.addEventListener("beforeunload", (event) => {
  if (unsent.size > 0) event.preventDefault();
});
onEvent("upload", (event) => followed.get(event.id)?.stands(event));
onEvent("refresh", () => {
  for (const picture of followed.values()) picture.look();
});

export class Picture {
  #address;
  #file;
  #timer = 0;
  #wait = FIRST_WAIT_MS;
  #isSending = false;
  #stop = new AbortController();
  #watchers = new Set();

  /**
   * @param {string} address where pictures of the room are sent
   * @param {{file?: File, upload?: number, alt?: string, name: string, preview?: object}} given a file, or what was kept of
   *   one that was sent
   */
  constructor(address, { file = null, upload = null, alt = "", name, preview = null }) {
    this.#address = address;
    this.#file = file;
    this.upload = upload;
    this.alt = alt;
    this.name = name;
    /** A small picture of it: `{url, width, height}`. */
    this.preview = preview;
    /** `sending`, `processing`, `ready` or `failed`, with words for people. */
    this.state = "sending";
    this.words = "Waits to be sent";
    this.percent = null;
    if (upload) this.#follow();
    else if (file) this.#begin();
    else this.#turn("failed", "It was not sent before its page was closed. Add it again.");
  }

  /** What can be kept in the browser; its bytes cannot. */
  get kept() {
    return { upload: this.upload, alt: this.alt, name: this.name, preview: this.preview };
  }

  /** Calls `act` whenever it stands otherwise. Answers how to stop that. */
  watch(act) {
    this.#watchers.add(act);
    return () => this.#watchers.delete(act);
  }

  /** She does not want it any more. */
  remove() {
    this.leave();
    if (!this.upload) return;
    const headers = { "X-CSRFToken": csrfToken() };
    fetch(`${this.#address}${this.upload}/`, { method: "DELETE", headers, keepalive: true }).catch(() => {
      // The site deletes it after a day.
    });
  }

  /** Nobody waits for it here any more. */
  leave() {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#watchers.clear();
    unsent.delete(this);
    if (followed.get(this.upload) === this) followed.delete(this.upload);
  }

  #begin() {
    unsent.add(this);
    this.#draw();
    window.addEventListener("online", () => this.#file && !this.upload && this.#again(), { signal: this.#stop.signal });
    this.#send();
  }

  /** A small picture of it, as it will be seen. */
  async #draw() {
    try {
      const full = await createImageBitmap(this.#file);
      const { width, height } = fit(full.width, full.height);
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width, height });
      canvas.getContext("2d").drawImage(full, 0, 0, width, height);
      full.close();
      this.preview = { url: canvas.toDataURL("image/jpeg", 0.7), width, height };
      this.#tell();
    } catch {
      // What this browser cannot show the site may be able to read; else it says so.
    }
  }

  async #send() {
    if (this.#isSending) return;
    this.#isSending = true;
    const form = new FormData();
    form.append("file", this.#file);
    const report = (words, percent) => this.#turn("sending", percent === null ? "The site takes it" : `Sending ${Math.floor(percent)} %`, percent);
    try {
      const { answer } = await transfer(this.#address, form, report, this.#stop.signal);
      this.upload = answer.upload;
      this.#file = null;
      unsent.delete(this);
      this.#follow();
      this.stands(answer);
    } catch (fault) {
      this.#sent(fault);
    } finally {
      this.#isSending = false;
    }
  }

  /** It was not sent: for good, or for now. */
  #sent(fault) {
    if (this.#stop.signal.aborted) return;
    const isForNow = fault.status === 0 || fault.status === 429 || fault.status >= 500;
    if (!isForNow) {
      unsent.delete(this);
      this.#turn("failed", fault.message);
      return;
    }
    const words = navigator.onLine ? "Not sent yet. It is tried again" : "Not sent yet. Goes when you are back";
    this.#turn("sending", fault.status === 429 ? fault.message : words);
    this.#timer = setTimeout(() => this.#again(), this.#wait);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
  }

  #again() {
    clearTimeout(this.#timer);
    if (this.state === "sending" && !this.#stop.signal.aborted) this.#send();
  }

  #follow() {
    followed.set(this.upload, this);
    this.#wait = FIRST_WAIT_MS;
    this.#turn("processing", "Being made ready");
    this.#timer = setTimeout(() => this.look(), this.#wait);
  }

  /** Asks how it stands. */
  async look() {
    clearTimeout(this.#timer);
    if (this.state !== "processing" || this.#stop.signal.aborted) return;
    try {
      const answer = await fetch(`/uploads/${this.upload}/state/`, { headers: { Accept: "application/json" }, signal: this.#stop.signal });
      if (answer.status === 404) return this.#turn("failed", "It is not here any more. Add it again.");
      if (answer.ok) this.stands(await answer.json());
    } catch {
      // It is asked again.
    }
    if (this.state !== "processing" || this.#stop.signal.aborted) return undefined;
    this.#timer = setTimeout(() => this.look(), this.#wait);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
    return undefined;
  }

  /** How it stands, as the site tells it. */
  stands({ state, words }) {
    if (state === "ready") this.#turn("ready", "Ready");
    else if (state === "failed" || state === "canceled") this.#turn("failed", words.replace(/^Failed: /, ""));
    else this.#turn("processing", "Being made ready");
    if (this.state !== "processing") {
      clearTimeout(this.#timer);
      followed.delete(this.upload);
    }
  }

  #turn(state, words, percent = null) {
    Object.assign(this, { state, words, percent });
    this.#tell();
  }

  #tell() {
    for (const act of [...this.#watchers]) act(this);
  }
}
