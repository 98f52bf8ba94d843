// Search in the room: what is found stands above the lines, and leads to each. Without a script the form is a page.

import { debounce, element } from "./common.js";
import { quoted } from "./room-line.js";
import { dayWords, marked, timeWords } from "./room-words.js";

const WAIT_MS = 250;
/** Of a long line so much is shown around what was found. */
const AROUND = 60;
const SHOWN = 180;

export class Search {
  #address;
  #lines;
  #asked = 0;

  /** @param {{root: HTMLElement, lines: object}} given */
  constructor({ root, lines }) {
    this.#address = root.dataset.search;
    this.#lines = lines;
    this.panel = document.getElementById("room-search");
    this.form = this.panel.querySelector("form");
    this.field = this.form.elements.q;
    this.found = document.getElementById("room-found");
    this.opener = document.getElementById("room-search-open");
    this.opener.addEventListener("click", (event) => {
      event.preventDefault();
      if (this.panel.hidden) this.open();
      else this.close();
    });
    const soon = debounce(() => this.#search(), WAIT_MS);
    this.field.addEventListener("input", soon);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!soon.flush()) this.#search();
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.close();
    });
    document.getElementById("room-search-close").addEventListener("click", (event) => {
      event.preventDefault();
      this.close();
    });
    this.found.addEventListener("click", (event) => this.#go(event));
    // Drawn by the site for an address with ?q=.
    if (!this.panel.hidden) this.opener.setAttribute("aria-expanded", "true");
  }

  open() {
    this.panel.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    this.field.focus();
    this.field.select();
  }

  close() {
    this.panel.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.focus();
  }

  async #search() {
    const query = this.field.value.trim();
    const asked = (this.#asked += 1);
    if (!query) return this.#say("");
    try {
      const answer = await fetch(`${this.#address}?${new URLSearchParams({ q: query })}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`The site answered with an error (${answer.status}).`);
      const { lines, has_more: hasMore } = await answer.json();
      // Another one was asked for meanwhile.
      if (asked !== this.#asked) return undefined;
      this.#show(lines, hasMore, query);
    } catch {
      if (asked === this.#asked) this.#say("The room could not be searched just now. Try again in a moment.");
    }
    return undefined;
  }

  #say(words) {
    this.found.replaceChildren();
    this.panel.querySelector(".status").textContent = words;
  }

  #show(lines, hasMore, query) {
    const count = lines.length === 1 ? "1 line" : `${lines.length} lines`;
    if (lines.length === 0) this.#say("No line has these words.");
    else this.#say(hasMore ? `The newest ${count}. Add a word to find fewer.` : count);
    // The newest first: that is what is looked for most.
    this.found.replaceChildren(...lines.toReversed().map((line) => this.#entry(line, query)));
    this.found.scrollTop = 0;
  }

  #entry(line, query) {
    const when = new Date(line.datetime);
    const link = element("a");
    link.href = `?line=${line.id}#line-${line.id}`;
    link.dataset.to = line.id;
    const head = element("span", "who");
    head.append(element("strong", "", line.name), element("time", "", `${dayWords(when, new Date())}, ${timeWords(when)}`));
    const text = element("span", "text");
    for (const { text: words, found } of marked(shortened(quoted(line.message), query), query)) {
      text.append(found ? element("mark", "", words) : document.createTextNode(words));
    }
    link.append(head, text);
    const entry = element("li");
    entry.append(link);
    return entry;
  }

  async #go(event) {
    const link = event.target.closest("a");
    const id = /[?&]line=(\d+)/.exec(link?.getAttribute("href") ?? "")?.[1];
    if (!id) return;
    event.preventDefault();
    if (await this.#lines.goTo(id)) {
      if (matchMedia("(width < 48rem)").matches) this.panel.hidden = true;
    } else {
      this.panel.querySelector(".status").textContent = "This line is not here any more.";
    }
  }
}

/** A long text from a little before what was found. */
function shortened(text, query) {
  if (text.length <= SHOWN) return text;
  const word = query.trim().split(/\s+/)[0].toLocaleLowerCase();
  const at = Math.max(0, text.toLocaleLowerCase().indexOf(word) - AROUND);
  return `${at > 0 ? "…" : ""}${text.slice(at, at + SHOWN)}${at + SHOWN < text.length ? "…" : ""}`;
}
