// How far she has read: the mark above what is new, the way to it and to the newest line, and telling the site.

import { element } from "./common.js";
import { LINE } from "./room-line.js";
import { newLinesWords, sinceWords } from "./room-words.js";

/** The site is told at most so often. */
const TELL_MS = 2000;
/** What is new begins so far below the upper edge, when it is more than the view holds. */
const ABOVE_MARK_PX = 72;

export class Marks {
  #lines;
  #tell;
  #me;
  #room;
  #told;
  #timer = 0;
  #frame = 0;
  /** When she last looked at the room. */
  #leftAt = new Date();
  #title = document.title;
  #missed = 0;

  /** @param {{root: HTMLElement, lines: import("./room-lines.js").Lines, me: object, tell: (frame: object) => boolean}} given */
  constructor({ root, lines, me, tell, signal }) {
    this.#room = root;
    this.#lines = lines;
    this.#me = me;
    this.#tell = tell;
    /** Everything up to this number was read, here or on another page of hers. */
    this.read = Number(root.dataset.read ?? 0);
    this.#told = this.read;
    this.down = document.getElementById("room-down");
    this.up = document.getElementById("room-up");
    this.down.addEventListener("click", () => this.#toNewest());
    this.up.addEventListener("click", () => this.#toFirstNew());
    document.addEventListener("visibilitychange", () => this.#turn(), { signal });
    window.addEventListener("focus", () => this.#turn(), { signal });
    window.addEventListener("blur", () => this.#leave(), { signal });
    window.addEventListener("pagehide", () => this.#say(), { signal });
    lines.onMove = () => this.#look();
  }

  /** The first view: what is new, if there is something, else the end. */
  begin() {
    const { scroller } = this.#lines;
    const asked = /^#line-(\d+)$/.exec(location.hash);
    if (asked && this.#room.closest(".room-page")) {
      this.#lines.goTo(asked[1]);
      return;
    }
    this.#lines.toEnd();
    const mark = this.#mark();
    if (mark) {
      const above = mark.getBoundingClientRect().top - scroller.getBoundingClientRect().top - ABOVE_MARK_PX;
      if (above < 0) scroller.scrollTop += above;
    }
    // What is new begins before the first line that is shown.
    const first = this.#lines.first();
    const isHere = !first || Number(first.dataset.id) <= this.read || this.#lines.older.hidden;
    this.up.hidden = isHere || !this.#lines.hasNewest || Number(this.#room.dataset.unread ?? 0) === 0;
    this.#look();
  }

  /** A line came and stands in the list now, or does not (`null`). */
  heard(line, frame) {
    if (frame.user_id === this.#me.id) return;
    if (line && !this.#isLooking() && !this.#mark()) this.#put(line, this.#leftAt);
    if (document.visibilityState === "hidden") {
      this.#missed += 1;
      document.title = `(${this.#missed}) ${this.#title}`;
    }
  }

  /** She has written: what was new before is not any more. */
  wrote() {
    this.#mark()?.remove();
    this.up.hidden = true;
  }

  /** Told by the site: she has read up to here on another page, or that is how it stands. */
  set(read) {
    if (read <= this.read) return;
    this.read = read;
    this.#told = Math.max(this.#told, read);
    this.#look();
  }

  /** The connection stands again: what was read meanwhile is told. */
  ready() {
    this.#say();
  }

  #mark() {
    return document.getElementById("room-mark");
  }

  #put(line, since) {
    const mark = element("li", "new-mark rule-text", sinceWords(since, new Date()));
    mark.id = "room-mark";
    line.before(mark);
    line.classList.remove("goes-on");
  }

  #isLooking() {
    return document.visibilityState === "visible" && document.hasFocus();
  }

  #turn() {
    if (!this.#isLooking()) return this.#leave();
    this.#missed = 0;
    document.title = this.#title;
    this.#look();
    return undefined;
  }

  /** What comes from now on is new to her; a mark that she has read past is gone. */
  #leave() {
    this.#leftAt = new Date();
    const mark = this.#mark();
    if (mark && this.#newInList() === 0) mark.remove();
  }

  /** Once a frame at most: what is in view is read, and whether there is more below. */
  #look() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#isLooking()) this.#note();
      this.#showWay();
    });
  }

  #note() {
    // Beside a lesson on a screen that was turned it has no place, and nobody sees it.
    if (this.#lines.scroller.clientHeight === 0) return;
    const seen = this.#lowestSeen();
    if (seen <= this.read) return;
    this.read = seen;
    this.#room.dataset.read = seen;
    // At once, and then no more than now and then.
    if (!this.#timer) this.#say();
  }

  #say() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.read <= this.#told || !this.#tell({ type: "read", id: this.read })) return;
    this.#told = this.read;
    this.#timer = setTimeout(() => this.#say(), TELL_MS);
  }

  /** The number of the last line of which the end is in view. */
  #lowestSeen() {
    const { bottom } = this.#lines.scroller.getBoundingClientRect();
    let line = this.#lines.list.lastElementChild;
    while (line && !(line.matches(LINE) && line.getBoundingClientRect().bottom <= bottom + 8)) line = line.previousElementSibling;
    return line ? Number(line.dataset.id) : 0;
  }

  /** Lines of others in the list that she has not read. */
  #newInList() {
    let count = 0;
    for (let line = this.#lines.list.lastElementChild; line; line = line.previousElementSibling) {
      if (!line.matches(LINE)) continue;
      if (Number(line.dataset.id) <= this.read) break;
      if (line.dataset.hers !== "yes") count += 1;
    }
    return count;
  }

  #showWay() {
    const isAtEnd = this.#lines.isAtEnd;
    this.down.hidden = isAtEnd;
    if (isAtEnd) return;
    const count = this.#newInList() + this.#lines.unseen;
    this.down.querySelector(".words").textContent = count > 0 ? newLinesWords(count) : "To the newest line";
  }

  async #toNewest() {
    if (!this.#lines.hasNewest) await this.#lines.readNewest();
    this.#lines.toEnd();
    document.getElementById("room-text")?.focus({ preventScroll: true });
  }

  async #toFirstNew() {
    this.up.hidden = true;
    const read = Number(this.up.dataset.after ?? 0);
    if (!(await this.#lines.goTo(read, { marks: false }))) return;
    const after = [...this.#lines.all()].find((line) => Number(line.dataset.id) > read);
    if (!after) return;
    this.#mark()?.remove();
    this.#put(after, new Date(this.up.dataset.since));
    after.focus({ preventScroll: true });
  }
}
