// Completion of names while an @ is typed: a list box that the field controls. A text of several lines is no combo box, so
// that it is the announcer who says that there are names, and the field which of them is chosen.

import { announce, element } from "./common.js";
import { isComposing, matching, mentionAt } from "./room-words.js";

export class Mentions {
  #field;
  #list;
  #people;
  #found = [];
  #chosen = -1;
  #range = null;

  /** @param {{field: HTMLTextAreaElement, people: () => {user: string, name: string}[]}} given who can be named just now */
  constructor({ field, people }) {
    this.#field = field;
    this.#people = people;
    this.#list = document.getElementById("room-names");
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-haspopup", "listbox");
    field.setAttribute("aria-controls", this.#list.id);
    for (const type of ["input", "click"]) field.addEventListener(type, () => this.look());
    field.addEventListener("keyup", (event) => {
      if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) this.look();
    });
    // Before the composer's own keys: Enter takes the name, and does not send.
    field.addEventListener("keydown", (event) => this.#key(event), { capture: true });
    field.addEventListener("blur", () => this.#close());
    // The field keeps the focus while a name is pressed.
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.#list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#take(Number(option.dataset.place));
    });
  }

  /** Offers names where one is being typed. */
  look() {
    const { value, selectionStart, selectionEnd } = this.#field;
    this.#range = selectionStart === selectionEnd ? mentionAt(value, selectionStart) : null;
    this.#found = this.#range ? matching(this.#people(), this.#range.query) : [];
    if (this.#found.length === 0) return this.#close();
    this.#list.replaceChildren(...this.#found.map((person, place) => this.#option(person, place)));
    if (this.#list.hidden) announce(`${this.#found.length} ${this.#found.length === 1 ? "name" : "names"}: arrow keys choose, Enter takes`);
    this.#list.hidden = false;
    this.#choose(0);
    return undefined;
  }

  #option({ user, name, initials, user_id: id }, place) {
    const option = element("li");
    option.id = `room-name-${place}`;
    option.setAttribute("role", "option");
    option.dataset.place = place;
    const avatar = element("span", `avatar small subject-${(id ?? 0) % 6}`, initials ?? "");
    avatar.setAttribute("aria-hidden", "true");
    option.append(avatar, element("strong", "", name), element("span", "muted", `@${user}`));
    return option;
  }

  #key(event) {
    if (this.#list.hidden || isComposing(event)) return;
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) this.#choose((this.#chosen + moves[event.key] + this.#found.length) % this.#found.length);
    else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) this.#take(this.#chosen);
    else if (event.key === "Escape") this.#close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  #choose(place) {
    this.#chosen = place;
    for (const [at, option] of [...this.#list.children].entries()) option.setAttribute("aria-selected", String(at === place));
    this.#field.setAttribute("aria-activedescendant", `room-name-${place}`);
    this.#list.children[place].scrollIntoView({ block: "nearest" });
  }

  #take(place) {
    const { user } = this.#found[place];
    const { value, selectionStart } = this.#field;
    const after = value.slice(selectionStart);
    const hasSpace = /^\s/.test(after);
    const made = `${value.slice(0, this.#range.from)}@${user}${hasSpace ? "" : " "}`;
    this.#close();
    this.#field.value = made + after;
    // Behind the space: right behind the name, names would be offered again.
    const end = made.length + (hasSpace ? 1 : 0);
    this.#field.setSelectionRange(end, end);
    this.#field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #close() {
    this.#list.hidden = true;
    this.#chosen = -1;
    this.#field.removeAttribute("aria-activedescendant");
  }
}
