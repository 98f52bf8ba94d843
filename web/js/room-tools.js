// What can be done with a line: answer, change, delete, and for moderators mute its speaker. One set of buttons goes to
// the line that the pointer or the focus is on; of all lines one is a stop of the Tab key, and arrows go to the others.

import { LINE, lineAfter, lineBefore, speakerOf } from "./room-line.js";

export class Tools {
  #lines;
  #tools;
  #isModerator;
  #acts;
  /** The line that the Tab key stops at. */
  #current = null;

  /**
   * @param {{lines: object, isModerator: boolean, acts: {reply: (line: HTMLElement) => void, edit: (line: HTMLElement) => void,
   *   remove: (line: HTMLElement) => void, mute: (line: HTMLElement) => void, leave: () => void}}} given
   */
  constructor({ lines, isModerator, acts }) {
    this.#lines = lines;
    this.#isModerator = isModerator;
    this.#acts = acts;
    this.#tools = document.getElementById("tools-template").content.firstElementChild.cloneNode(true);
    for (const button of this.#tools.querySelectorAll("button")) {
      button.addEventListener("click", () => this.#act(button.dataset.act));
    }
    const { list } = lines;
    list.addEventListener("pointerover", (event) => {
      if (event.pointerType !== "touch") this.#go(event.target.closest(LINE));
    });
    list.addEventListener("focusin", (event) => this.#focus(event.target.closest(LINE)));
    // On a screen that is touched: once for the buttons, and again to be rid of them.
    list.addEventListener("click", (event) => this.#touch(event));
    list.addEventListener("keydown", (event) => this.#key(event));
    // The line that was the stop may go with others, when another part of the history is shown.
    new MutationObserver(() => this.#current?.isConnected || this.stop()).observe(list, { childList: true });
    this.stop();
  }

  /** The Tab key stops at the newest line, unless she is among the lines already. */
  stop() {
    if (this.#lines.list.contains(document.activeElement)) return;
    this.#become(this.#lines.last());
  }

  #become(line) {
    if (this.#current === line) return;
    if (this.#current) this.#current.tabIndex = -1;
    this.#current = line;
    if (line) line.tabIndex = 0;
  }

  #focus(line) {
    if (!line) return;
    this.#become(line);
    this.#go(line);
  }

  #go(line) {
    if (!line || this.#tools.parentElement === line) return;
    // Buttons that are in use stay where they are.
    if (this.#tools.contains(document.activeElement)) return;
    const isHers = line.dataset.hers === "yes";
    const isMuteable = this.#isModerator && !isHers && line.dataset.speaker !== "0" && line.querySelector(".teacher")?.hidden !== false;
    const shown = { reply: true, edit: isHers, delete: isHers || this.#isModerator, mute: isMuteable };
    for (const button of this.#tools.querySelectorAll("button")) button.hidden = !shown[button.dataset.act];
    this.#tools.querySelector("[data-act=mute]").setAttribute("aria-label", `Mute ${speakerOf(line)}…`);
    line.append(this.#tools);
  }

  #touch(event) {
    const line = event.target.closest(LINE);
    if (!line || !matchMedia("(hover: none)").matches || event.target.closest("a, button, pre")) return;
    this.#go(line);
    const wasOpen = line.classList.contains("is-open");
    this.#lines.list.querySelector(".line.is-open")?.classList.remove("is-open");
    line.classList.toggle("is-open", !wasOpen);
  }

  #key(event) {
    const line = event.target.closest(LINE);
    if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return this.#acts.leave();
    if (event.target !== line) return undefined;
    const goals = { ArrowUp: () => lineBefore(line), ArrowDown: () => lineAfter(line), Home: () => this.#lines.first(), End: () => this.#lines.last() };
    const goal = goals[event.key]?.();
    if (!goal) return undefined;
    event.preventDefault();
    goal.focus();
    return undefined;
  }

  #act(name) {
    const line = this.#tools.closest(LINE);
    line.classList.remove("is-open");
    const acts = { reply: this.#acts.reply, edit: this.#acts.edit, delete: this.#acts.remove, mute: this.#acts.mute };
    acts[name](line);
  }
}
