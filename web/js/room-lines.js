// The list of lines: what comes live, pages of the history above and below, and the place where the reader stands.
//
// The list shows a stretch of the history without holes. It may end before the newest line, after a jump to an old one;
// then what comes live is only counted, and the way down reads page after page until the two meet.

import { announce, element } from "./common.js";
import { LINE, adopt, draw, lineAfter, lineBefore, settle, write } from "./room-line.js";

/** Nearer to the end than this, the reader is at the end: new lines come into view. */
const NEAR_END_PX = 80;
/** More lines than this are not kept above somebody who reads the end; they are read again on the way up. */
const MOST_LINES = 300;
const KEPT_LINES = 150;
/** So long a line that was jumped to stands out. */
const FLASH_MS = 2500;

export class Lines {
  #me;
  #history;
  /** Pages that are being read, one after the other, and what happened in the room meanwhile. */
  #reading = 0;
  #turn = Promise.resolve();
  #meanwhile = [];
  #sticks = true;
  /** Sees the ends of the list come into view. */
  #wanted;

  /** @param {{root: HTMLElement, me: {id: number, user: string}}} given */
  constructor({ root, me }) {
    this.#me = me;
    this.#history = root.dataset.history;
    this.list = document.getElementById("room-list");
    this.scroller = document.getElementById("room-lines");
    this.older = document.getElementById("room-older");
    this.newer = document.getElementById("room-newer");
    this.empty = document.getElementById("room-empty");
    /** Lines of which the page was told that are not in the list, since it ends before them. */
    this.unseen = 0;
    /** Called when the reader has moved, or the list has changed. */
    this.onMove = () => {};
    // The lines are stops of the Tab key now, instead of the place where they stand.
    this.scroller.tabIndex = -1;
    for (const line of this.all()) adopt(line, me);
    for (const line of this.all()) settle(line);
    this.#watch();
  }

  /** Every line of the list. */
  all() {
    return this.list.querySelectorAll(`:scope > ${LINE}`);
  }

  first() {
    return this.list.querySelector(`:scope > ${LINE}`);
  }

  last() {
    return [...this.all()].at(-1) ?? null;
  }

  find(id) {
    return document.getElementById(`line-${Number(id)}`);
  }

  /** Whether the list reaches to the newest line. */
  get hasNewest() {
    return this.newer.hidden;
  }

  get isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return this.hasNewest && scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  toEnd() {
    this.#sticks = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.onMove();
  }

  /** A line that was said just now. Answers its element, or null when it is not shown, or was there. `isWatched`: whoever reads wants to see it. */
  add(frame, isWatched) {
    if (this.find(frame.id)) return null;
    if (this.#reading > 0) this.#meanwhile.push(() => this.hasNewest && !this.find(frame.id) && this.put(draw(frame, this.#me)));
    if (!this.hasNewest) {
      this.unseen += 1;
      this.onMove();
      return null;
    }
    const wasAtEnd = this.isAtEnd;
    const line = draw(frame, this.#me);
    this.put(line);
    if (wasAtEnd || isWatched) {
      this.#prune();
      this.toEnd();
    } else {
      this.onMove();
    }
    return line;
  }

  /** Puts a line at the end, above those that wait to be sent. */
  put(line) {
    this.empty.hidden = true;
    this.list.insertBefore(line, this.#end());
    settle(line);
  }

  change(frame) {
    if (this.#reading > 0) this.#meanwhile.push(() => this.#change(frame));
    this.#change(frame);
  }

  #change({ id, message, mentions }) {
    const line = this.find(id);
    if (!line) return;
    if (mentions) line.dataset.mentions = mentions.join(" ");
    write(line, message, this.#me);
    const edited = line.querySelector(".edited");
    if (edited) edited.hidden = false;
    else line.querySelector(".said").append(element("span", "edited", "edited"));
  }

  remove({ id }) {
    if (this.#reading > 0) this.#meanwhile.push(() => this.#remove(id));
    this.#remove(id);
  }

  #remove(id) {
    for (const quote of this.list.querySelectorAll(`.quote[data-to="${Number(id)}"] .words`)) quote.textContent = "This line was deleted.";
    const line = this.find(id);
    if (!line) return;
    const after = lineAfter(line);
    const near = after ?? lineBefore(line);
    if (line.contains(document.activeElement)) near?.focus();
    const day = line.previousElementSibling;
    line.remove();
    if (after) settle(after);
    else if (day?.matches(".day")) day.remove();
    this.empty.hidden = this.first() !== null || this.list.querySelector(".is-waiting") !== null;
    this.onMove();
  }

  /** Reads the page above; the reader's place stays where it is. */
  readOlder() {
    const asked = () => (this.first() ? { before: this.first().dataset.id } : {});
    return this.#page(asked, ({ lines, has_more: hasMore }) => {
      const first = this.first();
      const top = first?.getBoundingClientRect().top ?? 0;
      this.#insert(lines, first ? firstWith(first) : this.#end());
      this.older.hidden = !hasMore;
      if (first) {
        settle(first);
        this.scroller.scrollTop += first.getBoundingClientRect().top - top;
      } else {
        this.toEnd();
      }
    });
  }

  /** Reads the page below. */
  readNewer() {
    const asked = () => ({ after: this.last()?.dataset.id ?? 0 });
    return this.#page(asked, ({ lines, has_more: hasMore }) => {
      this.#sticks = false;
      this.#insert(lines, this.#end());
      this.newer.hidden = hasMore !== true;
      if (this.hasNewest) this.unseen = 0;
    });
  }

  /** Starts again with the newest page. Until that is there, the list is one that ends before the newest line. */
  readNewest() {
    this.newer.hidden = false;
    return this.#page(() => ({}), ({ lines, has_more: hasMore }) => {
      const hadFocus = this.list.contains(document.activeElement);
      this.#clear();
      this.#insert(lines, this.#end());
      if (hadFocus && !this.list.contains(document.activeElement)) this.last()?.focus({ preventScroll: true });
      this.older.hidden = !hasMore;
      this.newer.hidden = true;
      this.unseen = 0;
      this.empty.hidden = lines.length > 0;
      this.toEnd();
    });
  }

  /** Goes to a line, wherever in the history it is. */
  async goTo(id, { marks = true } = {}) {
    if (!this.find(id)) {
      await this.#page(() => ({ around: id }), ({ lines, has_more: hasMore, has_older: hasOlder, has_newer: hasNewer }) => {
        this.#clear();
        this.#insert(lines, this.#end());
        this.older.hidden = !(hasOlder ?? hasMore);
        this.newer.hidden = !(hasNewer ?? true);
      });
    }
    const line = this.find(id);
    if (!line) return false;
    this.#sticks = false;
    line.scrollIntoView({ block: "center" });
    if (marks) {
      line.focus({ preventScroll: true });
      line.classList.add("is-found");
      setTimeout(() => line.classList.remove("is-found"), FLASH_MS);
    }
    this.onMove();
    return true;
  }

  #clear() {
    for (const each of this.list.querySelectorAll(":scope > :not(.is-waiting)")) each.remove();
  }

  #insert(frames, place) {
    const made = frames.filter(({ id }) => !this.find(id)).map((frame) => draw(frame, this.#me));
    for (const line of made) this.list.insertBefore(line, place);
    for (const line of made) settle(line);
    if (made.length > 0) this.empty.hidden = true;
  }

  /** Before what new lines are put: those that wait to be sent stay at the end. */
  #end() {
    return this.list.querySelector(":scope > .is-waiting");
  }

  /** Reads a page when those before it have been read. Whether it could be. */
  #page(asked, show) {
    this.#reading += 1;
    const read = this.#turn.then(() => this.#fetch(asked(), show));
    this.#turn = read;
    return read;
  }

  /** Asks for a page of the history and shows it. What is old is not news: it is not read out as such. */
  async #fetch(asked, show) {
    const log = this.list.parentElement;
    log.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${this.#history}?${new URLSearchParams(asked)}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`The site answered with an error (${answer.status}).`);
      show(await answer.json());
      // Where the page did not fill the view, the next one is wanted, too.
      for (const button of [this.older, this.newer]) this.#wanted.unobserve(button);
      for (const button of [this.older, this.newer]) this.#wanted.observe(button);
      return true;
    } catch {
      announce("Other lines could not be read. Try again in a moment.");
      return false;
    } finally {
      // The page may be older than what was told while it was on its way.
      for (const act of this.#meanwhile) act();
      this.#reading -= 1;
      if (this.#reading === 0) this.#meanwhile = [];
      requestAnimationFrame(() => log.removeAttribute("aria-busy"));
      this.onMove();
    }
  }

  #prune() {
    const lines = this.all();
    if (lines.length <= MOST_LINES) return;
    const first = lines[lines.length - KEPT_LINES];
    while (this.list.firstElementChild !== first) this.list.firstElementChild.remove();
    settle(first);
    this.older.hidden = false;
  }

  /** Whoever is at the end stays there when something grows; pages come as their ends come into view. */
  #watch() {
    this.scroller.addEventListener("scroll", () => {
      this.#sticks = this.isAtEnd;
      this.onMove();
    }, { passive: true });
    const keep = new ResizeObserver(() => {
      if (this.#sticks) this.scroller.scrollTop = this.scroller.scrollHeight;
    });
    keep.observe(this.list);
    keep.observe(this.scroller);
    this.#wanted = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) if (isIntersecting && !target.hidden) this.#read(target);
    }, { root: this.scroller, rootMargin: "200px" });
    for (const button of [this.older, this.newer]) {
      button.addEventListener("click", (event) => {
        event.preventDefault();
        this.#read(button);
      });
      this.#wanted.observe(button);
    }
  }

  #read(button) {
    if (this.#reading > 0) return undefined;
    return button === this.older ? this.readOlder() : this.readNewer();
  }
}

/** A line, or the day or mark that stands right above it and belongs to it. */
function firstWith(line) {
  let first = line;
  while (first.previousElementSibling && !first.previousElementSibling.matches(".line")) first = first.previousElementSibling;
  return first;
}
