// The place to write: drafts that are kept, answers, changes of one's own lines, and when writing is not open to her.

import { announce } from "./common.js";
import { quoted, speakerOf } from "./room-line.js";
import { asCode, asLink, dayWords, isComposing, timeWords, waitWords } from "./room-words.js";

/** Others are told at most so often that she types. */
const TYPING_EVERY_MS = 3000;
const MOST_ROWS = 10;
/** From here on it says how many characters are left. */
const NEAR_LIMIT = 200;

export class Composer {
  #store;
  #lines;
  #tell;
  #outbox;
  #onSaid;
  /** What is being answered: `{id, name, message}`. */
  #replyTo = null;
  /** The line that is being changed. */
  #editing = null;
  /** A change that the site has not confirmed: `{id, message}`. */
  #changing = null;
  #typedAt = 0;
  #opening = 0;
  /** The pictures of the line, once there are some. */
  #attach = null;
  #root;

  /** @param {{root: HTMLElement, store: string, lines: object, outbox: object, tell: (frame: object) => boolean, onSaid: () => void}} given */
  constructor({ root, store, lines, outbox, tell, onSaid }) {
    this.#root = root;
    this.#store = `${store}:draft`;
    this.#lines = lines;
    this.#outbox = outbox;
    this.#tell = tell;
    this.#onSaid = onSaid;
    this.form = document.getElementById("room-write");
    this.field = document.getElementById("room-text");
    this.fault = document.getElementById("room-fault");
    this.about = document.getElementById("room-about");
    this.shut = document.getElementById("room-shut");
    this.left = document.getElementById("room-left");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("input", () => this.#input());
    document.getElementById("room-cancel").addEventListener("click", () => this.#cancel());
    document.getElementById("room-code").addEventListener("click", () => this.#wrap(asCode));
    document.getElementById("room-link").addEventListener("click", () => this.#wrap(asLink));
    this.#takeFiles();
    this.#restore();
    this.form.hidden = false;
  }

  /** Begins an answer to a line. */
  reply(line) {
    if (this.#isChanged()) return;
    if (this.#editing) this.#stopEditing();
    this.#replyTo = { id: Number(line.dataset.id), name: speakerOf(line), message: line.dataset.words.slice(0, 140) };
    this.#showAbout();
    this.#keep();
    this.field.focus();
  }

  /** Begins to change a line of her own. */
  edit(line) {
    if (this.#isChanged()) return;
    this.#keep();
    this.#editing = Number(line.dataset.id);
    this.#fill(line.dataset.words);
    this.#showAbout();
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  /** Whether a line is being changed, and reads otherwise already: that is not thrown away unasked, and it says so. */
  #isChanged() {
    const line = this.#editing && this.#lines.find(this.#editing);
    if (!line || this.field.value === line.dataset.words) return false;
    this.showFault("You are changing a line. Save it with Enter, or leave it as it was, first.");
    this.field.focus();
    return true;
  }

  /** Puts back a line that was not taken; what was being written stays below it. */
  giveBack({ text, replyTo, pictures }) {
    if (this.#editing) this.#stopEditing();
    if (pictures.length > 0) this.#withPictures((attach) => attach.put(pictures));
    this.#replyTo = replyTo ?? this.#replyTo;
    this.#fill(this.field.value ? `${text}\n${this.field.value}` : text);
    this.#showAbout();
    this.#keep();
    this.field.focus();
  }

  /** A line reads otherwise now, or is gone. */
  changed({ id, type }) {
    if (this.#changing?.id === id) this.#changing = null;
    if (type !== "chat_delete") return;
    if (this.#editing === id) this.#stopEditing();
    if (this.#replyTo?.id === id) this.#dropReply();
  }

  /** A frame that is no line was not taken. */
  refused({ code, message }) {
    const tried = this.#changing;
    this.#changing = null;
    const line = tried && this.#lines.find(tried.id);
    if (line && code !== "gone" && !this.#editing) {
      this.edit(line);
      this.#fill(tried.message);
    }
    this.showFault(message);
  }

  /** The connection stands again: a change that was on its way is told once more. */
  ready() {
    if (this.#changing) this.#tell({ type: "edit", ...this.#changing });
  }

  /** How the room stands to her: locked, muted, slow. */
  stands({ is_locked: isLocked, muted_until: mutedUntil, slow_seconds: slowSeconds }, isModerator) {
    clearTimeout(this.#opening);
    const until = mutedUntil ? new Date(mutedUntil) : null;
    const isMuted = until !== null && until > new Date();
    let words = "";
    if (isMuted) words = `You can read, but not write, until ${untilWords(until)}: a moderator has decided so.`;
    else if (isLocked && !isModerator) words = "This room is locked. You can read, and write again when its teacher opens it.";
    const was = this.shut.hidden ? "" : this.shut.querySelector(".words").textContent;
    this.shut.querySelector(".words").textContent = words;
    this.shut.hidden = words === "";
    this.form.hidden = words !== "";
    if (words !== was && (words || was)) announce(words || "You can write again.");
    const slow = document.getElementById("room-slow");
    slow.hidden = !slowSeconds || isModerator;
    slow.querySelector(".words").textContent = `Slow: one line each ${waitWords(slowSeconds ?? 0)}`;
    // A far wait is longer than timers hold; she hears of it when she comes back.
    if (isMuted && until - new Date() < 86_400_000) {
      this.#opening = setTimeout(() => this.stands({ is_locked: isLocked, slow_seconds: slowSeconds }, isModerator), until - new Date());
    }
  }

  /** For good: the room is not open to her any more. */
  close() {
    this.form.hidden = true;
  }

  showFault(words) {
    this.fault.querySelector(".words").textContent = words;
    this.fault.hidden = false;
  }

  #submit() {
    const words = this.field.value.trim();
    const hasPictures = this.#editing ? this.#lines.find(this.#editing)?.querySelector(".pictures") : this.#attach?.isEmpty === false;
    if (!words && !hasPictures) return;
    this.fault.hidden = true;
    if (this.#editing) return this.#sendChange(words);
    if (this.#attach?.fault) return this.showFault(this.#attach.fault);
    const replyTo = this.#replyTo;
    this.#replyTo = null;
    const pictures = this.#attach?.take() ?? [];
    this.#fill("");
    this.#showAbout();
    this.#keep();
    this.#typedAt = 0;
    this.#onSaid();
    this.#outbox.say(words, replyTo, pictures);
    this.#lines.toEnd();
    return undefined;
  }

  #sendChange(words) {
    const change = { id: this.#editing, message: words };
    if (!this.#tell({ type: "edit", ...change })) {
      return this.showFault("There is no connection just now. Try again when it is back.");
    }
    this.#changing = change;
    this.#stopEditing();
    return undefined;
  }

  /** Pictures come by the button, with Ctrl V, and from elsewhere on the screen. */
  #takeFiles() {
    const input = document.getElementById("room-file");
    document.getElementById("room-picture").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.#add([...input.files]);
      input.value = "";
      this.field.focus();
    });
    this.field.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      // Some programs put a picture of their text beside it.
      if (files.length === 0 || event.clipboardData.types.includes("text/plain")) return;
      event.preventDefault();
      this.#add(files);
    });
    const mark = (isOver) => this.form.classList.toggle("is-over", isOver);
    const brings = (event) => !this.form.hidden && event.dataTransfer?.types.includes("Files");
    this.#root.addEventListener("dragover", (event) => {
      if (!brings(event)) return;
      event.preventDefault();
      mark(true);
    });
    this.#root.addEventListener("dragleave", (event) => {
      if (!this.#root.contains(event.relatedTarget)) mark(false);
    });
    this.#root.addEventListener("drop", (event) => {
      mark(false);
      if (!brings(event)) return;
      event.preventDefault();
      this.#add([...event.dataTransfer.files]);
    });
  }

  #add(files) {
    if (files.length === 0) return;
    if (this.#isChanged()) return;
    if (this.#editing) this.#stopEditing();
    this.fault.hidden = true;
    this.#withPictures((attach) => attach.add(files));
  }

  /** What pictures need comes when there are some. */
  async #withPictures(act) {
    try {
      const { Attach } = await import("./room-attach.js");
      this.#attach ??= new Attach({ root: this.#root, onChange: () => this.#keep(), onFault: (words) => this.showFault(words) });
      act(this.#attach);
    } catch {
      this.showFault("Pictures cannot be added just now. Try again when the connection is back.");
    }
  }

  #key(event) {
    if (event.defaultPrevented || isComposing(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && (this.#editing || this.#replyTo)) {
      event.preventDefault();
      this.#cancel();
    } else if (event.key === "ArrowUp" && !this.field.value && !event.altKey && !event.ctrlKey && !event.metaKey) {
      const hers = [...this.#lines.all()].findLast((line) => line.dataset.hers === "yes");
      if (!hers) return;
      event.preventDefault();
      this.edit(hers);
    }
  }

  #input() {
    this.#keep();
    this.#grow();
    if (this.#editing || !this.field.value.trim() || Date.now() - this.#typedAt < TYPING_EVERY_MS) return;
    if (this.#tell({ type: "typing" })) this.#typedAt = Date.now();
  }

  #wrap(made) {
    const { value, selectionStart, selectionEnd } = this.field;
    const { text, from, to } = made(value, selectionStart, selectionEnd);
    this.field.focus();
    this.#fill(text);
    this.field.setSelectionRange(from, to);
    this.#input();
  }

  #cancel() {
    if (this.#editing) this.#stopEditing();
    else this.#dropReply();
    this.field.focus();
  }

  #dropReply() {
    this.#replyTo = null;
    this.#showAbout();
    this.#keep();
  }

  /** What was being written before comes back. */
  #stopEditing() {
    this.#editing = null;
    this.#restore();
  }

  #showAbout() {
    this.about.hidden = !this.#editing && !this.#replyTo;
    this.about.classList.toggle("is-change", Boolean(this.#editing));
    const words = this.about.querySelector(".words");
    if (this.#editing) words.textContent = "You are changing a line.";
    else if (this.#replyTo) words.textContent = `To ${this.#replyTo.name}: ${quoted(this.#replyTo.message)}`;
    const cancel = document.getElementById("room-cancel");
    cancel.setAttribute("aria-label", this.#editing ? "Leave it as it was" : "Do not answer this line");
  }

  #fill(words) {
    this.field.value = words;
    this.#grow();
  }

  #grow() {
    const { field } = this;
    field.rows = 1;
    const line = Number.parseFloat(getComputedStyle(field).lineHeight) || 24;
    field.rows = Math.min(MOST_ROWS, Math.max(1, Math.round((field.scrollHeight - 8) / line)));
    const left = field.maxLength - field.value.length;
    this.left.hidden = left > NEAR_LIMIT;
    this.left.textContent = `${left} characters left`;
  }

  #keep() {
    if (this.#editing) return;
    try {
      const pictures = this.#attach?.kept ?? [];
      if (!this.field.value && !this.#replyTo && pictures.length === 0) localStorage.removeItem(this.#store);
      else localStorage.setItem(this.#store, JSON.stringify({ text: this.field.value, replyTo: this.#replyTo, pictures }));
    } catch {
      // A browser without room for it forgets the draft when the page is closed.
    }
  }

  #restore() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(this.#store) ?? "null");
    } catch {
      // What cannot be read is not there.
    }
    this.#replyTo = kept?.replyTo ?? null;
    // Those that were sent: of the others the browser keeps nothing.
    const pictures = Array.isArray(kept?.pictures) ? kept.pictures.filter(({ upload }) => upload) : [];
    if (!this.#attach && pictures.length > 0) this.#withPictures((attach) => attach.put(pictures));
    this.#fill(typeof kept?.text === "string" ? kept.text : "");
    this.#showAbout();
  }
}

/** "14:20", "23 November 2026, 14:20". */
function untilWords(until) {
  const day = dayWords(until, new Date());
  return day === "Today" ? timeWords(until) : `${day}, ${timeWords(until)}`;
}
