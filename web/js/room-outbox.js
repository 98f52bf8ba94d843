// Lines on their way: kept in this browser until the site has them, shown as what they are, and sent once.
//
// Each has a name that this browser gave it, under which the site takes it only once however often it is sent. They go
// one after the other, in the order in which they were written; a line with pictures waits until these are ready.

import { element, icon } from "./common.js";
import { draw } from "./room-line.js";
import { GROUP_MS, waitWords } from "./room-words.js";

/** Without an answer for so long, the connection is taken for dead. */
const ANSWER_MS = 12_000;
/** A line that arrives sooner is not called waiting. */
const QUIET_MS = 700;
/** Codes after which the same line may be taken a little later. */
const LATER = new Set(["too_fast", "slow", "not_kept"]);

export class Outbox {
  #store;
  #pictures;
  #list;
  #me;
  #tell;
  #giveUp;
  #giveBack;
  #underway = null;
  #timer = 0;
  #heldUntil = 0;
  #holding = 0;
  #isReady = false;
  #entries = new Map();

  /**
   * @param {{store: string, pictures: string, list: HTMLElement, me: object, tell: (frame: object) => boolean, giveUp: () => void,
   *   giveBack: (entry: object) => void}} given `pictures`: where they are sent; `giveBack` puts a line that was refused back into the field
   */
  constructor({ store, pictures, list, me, tell, giveUp, giveBack }) {
    this.#store = `${store}:line:`;
    this.#pictures = pictures;
    this.#list = list;
    this.#me = me;
    this.#tell = tell;
    this.#giveUp = giveUp;
    this.#giveBack = giveBack;
    for (const entry of this.#remembered()) this.#take(entry);
  }

  /** Sends a line as soon as it can be. */
  say(text, replyTo, pictures = []) {
    const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    const entry = { id, text, replyTo, at: Date.now(), pictures };
    this.#remember(entry);
    this.#take(entry);
    this.#pump();
  }

  #remember({ id, text, replyTo, at, pictures }) {
    try {
      const kept = { id, text, replyTo, at, pictures: pictures.map((each) => each.kept) };
      localStorage.setItem(this.#store + id, JSON.stringify(kept));
    } catch {
      // A browser without room for it forgets it when the page is closed.
    }
  }

  /** The connection stands: what waits goes. */
  ready() {
    this.#isReady = true;
    this.#settle();
    this.#pump();
  }

  /** The connection broke: what was on its way is sent again, under the same name. */
  lost() {
    this.#isReady = false;
    this.#settle();
    for (const entry of [...this.#entries.values()]) {
      // What the site has comes as everybody's line, with all that was missed.
      if (entry.isKept) this.#drop(entry);
      else this.#note(entry);
    }
  }

  /** Whether this browser has such a line on its way. */
  has(id) {
    return this.#entries.has(id);
  }

  /** The site has it. Until it `isShown` as everybody's line it stays in sight as it is. */
  kept(id, isShown) {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#forget(entry);
    entry.isKept = true;
    clearTimeout(entry.telling);
    if (isShown) this.#drop(entry);
    if (this.#underway === id) this.#settle();
    this.#pump();
  }

  /** The site has not taken it. True when that was said at the line itself. */
  refused({ code, message, client_id: id, retry_after_seconds: seconds }) {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    if (this.#underway === id) this.#settle();
    if (LATER.has(code)) {
      this.#heldUntil = Date.now() + 1000 * (seconds ?? 2);
      clearTimeout(this.#holding);
      this.#holding = setTimeout(() => this.#pump(), 1000 * (seconds ?? 2));
      entry.why = code === "slow" ? "This room is slow just now." : "";
    } else {
      entry.fault = message;
    }
    for (const each of this.#entries.values()) this.#note(each);
    this.#pump();
    return true;
  }

  #remembered() {
    const found = [];
    try {
      for (const key of Object.keys(localStorage).filter((each) => each.startsWith(this.#store))) {
        const entry = JSON.parse(localStorage.getItem(key) ?? "null");
        if (typeof entry?.text !== "string" || typeof entry.id !== "string") continue;
        const { pictures: kept, ...rest } = entry;
        found.push({ ...rest, pictures: [], kept: Array.isArray(kept) ? kept : [] });
      }
    } catch {
      // What cannot be read is not there.
    }
    return found.sort((a, b) => a.at - b.at);
  }

  #take(entry) {
    this.#entries.set(entry.id, entry);
    entry.line = this.#show(entry);
    this.#note(entry);
    if (entry.kept?.length > 0) this.#restore(entry);
    this.#watch(entry);
  }

  #watch(entry) {
    entry.ends = entry.pictures.map((picture) => picture.watch(() => this.#moved(entry)));
  }

  /** Its pictures were sent from a page that is closed; what that needs is brought in now. */
  async #restore(entry) {
    try {
      const { Picture } = await import("./room-picture.js");
      entry.pictures = entry.kept.map((each) => new Picture(this.#pictures, each));
      entry.kept = [];
      this.#watch(entry);
    } catch {
      entry.fault = "Its pictures could not be looked for. Load the page again.";
    }
    this.#moved(entry);
  }

  /** A picture of it stands otherwise. */
  #moved(entry) {
    if (!this.#entries.has(entry.id) || entry.isKept) return;
    const failed = entry.pictures.find(({ state }) => state === "failed");
    if (failed) entry.fault ??= `${failed.name}: ${failed.words}`;
    if (entry.pictures.length > 0) this.#remember(entry);
    this.#note(entry);
    this.#pump();
  }

  /** The first that may go now goes. */
  #pump() {
    if (!this.#isReady || this.#underway || Date.now() < this.#heldUntil) return;
    const next = [...this.#entries.values()].find((entry) => !entry.fault && !entry.isKept);
    if (!next || pending(next)) return;
    const frame = { message: next.text, client_id: next.id };
    if (next.pictures.length > 0) frame.pictures = next.pictures.map(({ upload, alt }) => ({ upload, alt }));
    if (next.replyTo) frame.reply_to = next.replyTo.id;
    if (!this.#tell(frame)) return;
    this.#underway = next.id;
    this.#timer = setTimeout(() => this.#giveUp(), ANSWER_MS);
    this.#note(next);
  }

  #settle() {
    clearTimeout(this.#timer);
    this.#underway = null;
  }

  #drop(entry) {
    this.#entries.delete(entry.id);
    clearTimeout(entry.telling);
    for (const end of entry.ends ?? []) end();
    entry.line.remove();
    this.#forget(entry);
  }

  #forget(entry) {
    try {
      localStorage.removeItem(this.#store + entry.id);
    } catch {
      // Then it was never kept there.
    }
  }

  /** A line as it will be, marked as not being there yet. */
  #show(entry) {
    const { id, user, name, initials, isTeacher } = this.#me;
    const line = draw({
      id: `waiting-${entry.id}`, user_id: id, user, name, initials, is_teacher: isTeacher,
      datetime: new Date(entry.at).toISOString(), message: entry.text, reply_to: entry.replyTo ?? null,
      pictures: [...entry.pictures, ...(entry.kept ?? [])].flatMap(({ preview, alt }) => (preview ? [{ ...preview, url: "", small_url: preview.url, alt }] : [])),
    }, this.#me);
    line.querySelector(".picture-gone").remove();
    line.classList.add("is-waiting");
    line.dataset.client = entry.id;
    // It is told once, when it is there.
    line.setAttribute("aria-live", "off");
    line.querySelector("time").remove();
    line.querySelector(".said").append(element("div", "note"));
    const before = this.#list.lastElementChild;
    const isNear = before?.matches(".line") && entry.at - new Date(before.dataset.time) < GROUP_MS;
    line.classList.toggle("goes-on", Boolean(isNear && before.dataset.speaker === line.dataset.speaker));
    this.#list.append(line);
    return line;
  }

  /** Why it is not there yet, in words. */
  #note(entry) {
    const note = entry.line.querySelector(".note");
    clearTimeout(entry.telling);
    if (entry.fault) return this.#noteFault(entry, note);
    const wait = this.#heldUntil - Date.now();
    let words = "On its way…";
    const picture = pending(entry);
    if (picture && !picture.upload) words = this.#isReady ? `With its picture. ${picture.words}` : "Not sent yet, nor is its picture. Keep this page open: both go when you are back";
    else if (!this.#isReady) words = "Not sent yet. Goes when you are back";
    else if (picture) words = `With its picture. ${picture.words}`;
    else if (wait > 0) words = `${entry.why ?? ""} Goes in ${waitWords(wait / 1000)}`.trim();
    const tell = () => note.replaceChildren(icon("clock", "small"), element("span", "", words));
    if (this.#isReady && wait <= 0) entry.telling = setTimeout(tell, QUIET_MS);
    else tell();
    return undefined;
  }

  #noteFault(entry, note) {
    const button = (words, act) => {
      const made = element("button", "link-button", words);
      made.type = "button";
      made.addEventListener("click", act);
      return made;
    };
    const again = button("Try again", () => {
      delete entry.fault;
      this.#note(entry);
      this.#pump();
    });
    again.hidden = entry.pictures.some(({ state }) => state === "failed");
    const change = button("Change it", () => {
      this.#drop(entry);
      this.#giveBack({ ...entry, pictures: [...entry.pictures, ...(entry.kept ?? [])] });
    });
    const away = button("Throw it away", () => {
      for (const picture of entry.pictures) picture.remove();
      this.#drop(entry);
    });
    note.replaceChildren(icon("circle-alert", "small"), element("span", "", `Not sent: ${entry.fault}`), again, change, away);
  }
}

/** The first of its pictures that is not ready, if there is one. */
function pending({ pictures, kept = [] }) {
  if (kept.length > 0) return { upload: true, words: "Being looked for" };
  return pictures.find(({ state }) => state !== "ready");
}
