// Who is here and who is typing. Nothing of it is known while the connection is broken, and nothing of it is shown then.

import { element, icon } from "./common.js";
import { TYPING_MS, dayOf, namesWords, typingWords } from "./room-words.js";

export class People {
  #me;
  #lines;
  /** By number of the account. */
  #here = new Map();
  #count = 0;
  #typing = new Map();
  /** Who was here and has gone, by number. */
  #gone = new Map();
  #onMute;

  /** @param {{me: object, lines: object, onMute: ((person: object) => void) | null}} given `onMute` for moderators */
  constructor({ me, lines, onMute }) {
    this.#me = me;
    this.#lines = lines;
    this.#onMute = onMute;
    /** Only on the page of the room, not beside a lesson. */
    this.list = document.getElementById("room-here");
    this.typing = document.getElementById("room-typing");
  }

  /** Who can be named: those who are here and those who have spoken. */
  known() {
    const people = new Map();
    for (const line of this.#lines.all()) {
      const { user, speaker } = line.dataset;
      if (speaker === "0") continue;
      const name = line.querySelector(".who strong").textContent;
      people.set(user, { user, name, user_id: Number(speaker), initials: line.querySelector(".avatar").textContent });
    }
    for (const person of [...this.#gone.values(), ...this.#here.values()]) people.set(person.user, person);
    people.delete(this.#me.user);
    return [...people.values()];
  }

  /** Everybody, once after the connection stands. */
  all({ count, people }) {
    this.#here = new Map(people.map((person) => [person.user_id, person]));
    this.#count = count;
    this.#show();
  }

  /** Who came and went. */
  moved({ count, came = [], went = [] }) {
    for (const id of went) {
      const person = this.#here.get(id);
      if (person) this.#gone.set(id, person);
      this.#here.delete(id);
      this.#stop(id);
    }
    for (const person of came) {
      this.#here.set(person.user_id, person);
      this.#gone.delete(person.user_id);
    }
    this.#count = count;
    this.#show();
  }

  /** Somebody types. */
  types({ user_id: id, name }) {
    if (id === this.#me.id) return;
    this.#stop(id);
    this.#typing.set(id, { name, timer: setTimeout(() => this.#ended(id), TYPING_MS) });
    this.#showTyping();
  }

  /** Her line came. */
  said({ user_id: id }) {
    this.#ended(id);
  }

  /** The connection broke. */
  forget() {
    this.#here.clear();
    this.#gone.clear();
    this.#count = 0;
    for (const id of [...this.#typing.keys()]) this.#stop(id);
    this.#show();
    this.#showTyping();
  }

  #ended(id) {
    if (!this.#typing.has(id)) return;
    this.#stop(id);
    this.#showTyping();
  }

  #stop(id) {
    clearTimeout(this.#typing.get(id)?.timer);
    this.#typing.delete(id);
  }

  #showTyping() {
    const words = typingWords([...this.#typing.values()].map(({ name }) => name));
    this.typing.classList.toggle("is-empty", words === "");
    this.typing.querySelector(".words").textContent = words;
    for (const entry of this.list?.children ?? []) {
      const { typing } = entry.querySelector("small")?.dataset ?? {};
      if (typing) this.#mark(entry);
    }
    for (const id of this.#typing.keys()) {
      const entry = this.list?.querySelector(`[data-person="${id}"]`);
      if (entry) this.#mark(entry);
    }
  }

  /** What stands under a name. */
  #mark(entry) {
    const id = Number(entry.dataset.person);
    const small = entry.querySelector("small");
    const isTyping = this.#typing.has(id);
    small.dataset.typing = isTyping ? "yes" : "";
    small.textContent = isTyping ? "Typing" : entry.dataset.words;
  }

  #show() {
    for (const place of document.querySelectorAll("[data-room-count]")) place.textContent = this.#count > 0 ? String(this.#count) : "";
    this.#showFew();
    if (!this.list) return;
    const people = [...this.#here.values()].sort((a, b) => this.#rank(a) - this.#rank(b) || a.name.localeCompare(b.name));
    const focused = this.list.contains(document.activeElement) ? document.activeElement.closest("[data-person]")?.dataset.person : null;
    this.list.replaceChildren(...people.map((person) => this.#entry(person)));
    if (focused) this.list.querySelector(`[data-person="${focused}"] button`)?.focus();
    const more = this.#count - people.length;
    const rest = document.getElementById("room-more");
    rest.hidden = more <= 0 && this.#count > 0;
    rest.textContent = restWords(this.#count, people.length);
    this.#showEarlier();
  }

  #rank({ is_teacher: isTeacher, user_id: id }) {
    if (isTeacher) return 0;
    return id === this.#me.id ? 1 : 2;
  }

  #entry(person) {
    const entry = element("li");
    entry.dataset.person = person.user_id;
    const avatar = element("span", `avatar subject-${person.user_id % 6}`, person.initials);
    avatar.setAttribute("aria-hidden", "true");
    const roles = [person.is_teacher && "Teacher", person.user_id === this.#me.id && "You"].filter(Boolean);
    entry.dataset.words = roles.join(", ");
    const words = element("span", "names");
    words.append(element("span", "name", person.name), element("small"));
    entry.append(avatar, words);
    if (this.#onMute && person.user_id !== this.#me.id && !person.is_teacher) entry.append(this.#muteButton(person));
    this.#mark(entry);
    return entry;
  }

  #muteButton(person) {
    const button = element("button", "icon-button");
    button.type = "button";
    button.setAttribute("aria-label", `Mute ${person.name}…`);
    button.append(icon("volume-x", "small"));
    button.addEventListener("click", () => this.#onMute(person));
    return button;
  }

  /** Beside a lesson: the faces of two who are here. */
  #showFew() {
    const place = document.getElementById("room-faces");
    if (!place) return;
    const others = [...this.#here.values()].filter(({ user_id: id }) => id !== this.#me.id).sort((a, b) => this.#rank(a) - this.#rank(b));
    place.replaceChildren(...others.slice(0, 2).map(({ user_id: id, initials }) => {
      const avatar = element("span", `avatar small subject-${id % 6}`, initials);
      avatar.setAttribute("aria-hidden", "true");
      return avatar;
    }));
    document.getElementById("room-count").textContent = this.#count > 0 ? `${this.#count} here` : "";
  }

  /** Who has spoken today, or was here a while ago, and is not any more. */
  #showEarlier() {
    const today = dayOf(new Date());
    const names = new Map();
    for (const [id, { name }] of this.#gone) names.set(id, name);
    for (const line of [...this.#lines.all()].reverse()) {
      const id = Number(line.dataset.speaker);
      if (id && id !== this.#me.id && dayOf(new Date(line.dataset.time)) === today) {
        if (!names.has(id)) names.set(id, line.querySelector(".who strong").textContent);
      }
    }
    for (const id of this.#here.keys()) names.delete(id);
    const earlier = document.getElementById("room-earlier");
    earlier.hidden = names.size === 0 || this.#count === 0;
    earlier.querySelector("p").textContent = namesWords([...names.values()]);
  }
}

/** Below the list: how many are not named there. */
function restWords(count, named) {
  if (count === 0) return "Not known without a connection";
  return named > 0 ? `and ${count - named} more` : `${count} people`;
}
