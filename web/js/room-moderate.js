// What moderators do without leaving the room: lock it, slow it down, mute somebody. The forms in the page do the same
// without a script, and what they do is written into the log.

import { announce, post } from "./common.js";

export class Moderation {
  #tell;
  #dialog;
  #person = null;

  /** @param {{tell: (frame: object) => boolean, showFault: (words: string) => void}} given */
  constructor({ tell, showFault }) {
    this.#tell = tell;
    this.showFault = showFault;
    this.#dialog = document.getElementById("room-mute");
    this.#dialog.addEventListener("close", () => this.#decide());
    this.lock = document.getElementById("room-lock");
    this.slow = document.getElementById("room-slow-form");
    // Beside a lesson there is no menu with them.
    if (!this.lock) return;
    this.lock.addEventListener("submit", (event) => this.#send(event, () => ({ type: "lock", is_locked: this.lock.elements.is_locked.value === "yes" })));
    this.slow.addEventListener("submit", (event) => this.#send(event, () => ({ type: "slow", seconds: Number(this.slow.elements.seconds.value) })));
  }

  /** Asks for how long. */
  mute({ user_id: id, name }) {
    this.#person = { id, name };
    this.#dialog.querySelector("h2").textContent = `Mute ${name}`;
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
  }

  /** How the room stands. */
  stands({ is_locked: isLocked, slow_seconds: slowSeconds }) {
    if (!this.lock) return;
    this.lock.elements.is_locked.value = isLocked ? "no" : "yes";
    this.lock.querySelector("button span").textContent = isLocked ? "Open the room" : "Lock the room";
    const { seconds } = this.slow.elements;
    if (![...seconds.options].some(({ value }) => Number(value) === slowSeconds)) {
      seconds.add(new Option(`${slowSeconds} seconds`, String(slowSeconds)));
    }
    seconds.value = String(slowSeconds);
  }

  #send(event, frame) {
    event.preventDefault();
    this.#say(frame(), () => event.target.submit());
    event.target.closest("details")?.removeAttribute("open");
  }

  /** Over the socket, or by the form where there is none. */
  #say(frame, otherwise) {
    if (!this.#tell(frame)) otherwise();
  }

  async #decide() {
    const minutes = Number(this.#dialog.returnValue);
    const person = this.#person;
    if (this.#dialog.returnValue === "" || Number.isNaN(minutes)) return;
    // Not over the socket, which answers a refusal and nothing else.
    try {
      await post(this.#dialog.dataset.action, { user_id: String(person.id), minutes: String(minutes) });
      announce(minutes > 0 ? `${person.name} is muted` : `${person.name} can write again`);
    } catch (fault) {
      this.showFault(fault.message);
    }
  }
}
