// The transcript of a recording: it follows what is spoken, can be searched, and leads to any place by a click.
//
// It is made of the cues of the captions, put together as the site does it (`media::captions::transcript`).

import { announce, debounce, element, icon } from "./common.js";
import { cuesOf } from "./player-captions.js";
import { button, memory, relabel } from "./player-parts.js";
import { clock } from "./words.js";

const ENOUGH = 70;
const MOST = 260;
const SILENCE_SECONDS = 2.5;
const KEY = "transcript";

const wordsOf = (cue) => cue.getCueAsHTML().textContent.replace(/\s+/g, " ").trim();

const isWhole = (words) => words.length >= MOST || (words.length >= ENOUGH && /[.!?…。！？؟।]["'”’)»]*$/u.test(words));

/** Lines of cues: `[{start, cues: [{cue, words}]}]`. */
export function linesOf(cues) {
  const lines = [];
  let words = "";
  let lastEnd = 0;
  for (const cue of cues) {
    const spoken = wordsOf(cue);
    if (!spoken) continue;
    if (lines.length === 0 || cue.startTime - lastEnd >= SILENCE_SECONDS || isWhole(words)) {
      lines.push({ start: cue.startTime, cues: [] });
      words = "";
    }
    lines.at(-1).cues.push({ cue, words: spoken });
    words = words ? `${words} ${spoken}` : spoken;
    lastEnd = cue.endTime;
  }
  return lines;
}

/** Where `sought` is in `text`: `[[from, to], ...]`, whatever the case. */
function hitsIn(text, sought) {
  const hits = [];
  const lower = text.toLocaleLowerCase();
  // Letters that grow in lower case would move the places.
  const where = lower.length === text.length ? lower : text;
  for (let at = where.indexOf(sought); at >= 0; at = where.indexOf(sought, at + sought.length)) hits.push([at, at + sought.length]);
  return hits;
}

class Transcript {
  #media;
  #captions;
  #jump;
  #track;
  #rows = [];
  #current = null;
  #following = true;
  #hits = [];
  #hit = -1;
  #scrolled = 0;

  constructor(media, captions, jump) {
    this.#media = media;
    this.#captions = captions;
    this.#jump = jump;
    const wanted = memory.get(KEY) ?? captions.shown?.language ?? document.documentElement.lang;
    this.#track = captions.tracks.find((track) => track.language === wanted) ?? captions.shown ?? captions.tracks[0];
    this.section = this.#build();
    media.addEventListener("timeupdate", () => this.#follow());
    media.addEventListener("seeked", () => this.#follow());
  }

  #build() {
    const section = element("section", "transcript");
    section.setAttribute("aria-label", `Transcript: ${this.#media.getAttribute("aria-label") ?? "recording"}`);
    const head = element("div", "transcript-head");
    head.append(element("h3", "", "Transcript"));
    if (this.#captions.tracks.length > 1) head.append(this.#languages());
    this.follower = button("Following what is spoken", "locate-fixed", () => this.#setFollowing(!this.#following), "following");
    this.follower.append(element("span", "", "Following"));
    this.follower.setAttribute("aria-pressed", "true");
    this.finder = button("Search the transcript", "search", () => this.#openSearch(), "find");
    this.finder.setAttribute("aria-expanded", "false");
    head.append(this.follower, this.finder);
    this.list = element("ol", "transcript-lines");
    this.list.tabIndex = 0;
    this.list.setAttribute("aria-label", "Lines of the transcript");
    this.list.addEventListener("click", (event) => this.#press(event));
    for (const type of ["wheel", "touchmove"]) this.list.addEventListener(type, () => this.#setFollowing(false), { passive: true });
    section.append(head, this.#search(), this.list);
    return section;
  }

  #languages() {
    const label = element("label", "language");
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Language of the transcript");
    for (const track of this.#captions.tracks) {
      const option = new Option(track.label, track.language, false, track === this.#track);
      option.lang = track.language;
      select.append(option);
    }
    select.addEventListener("change", () => {
      this.#track = this.#captions.tracks[select.selectedIndex];
      memory.set(KEY, this.#track.language);
      this.load();
    });
    label.append(icon("languages"), select);
    return label;
  }

  #search() {
    this.box = element("div", "transcript-search");
    this.box.setAttribute("role", "search");
    this.box.hidden = true;
    this.field = document.createElement("input");
    this.field.type = "search";
    this.field.setAttribute("aria-label", "Search the transcript");
    this.field.placeholder = "Search the transcript";
    this.count = element("span", "count");
    const seek = debounce(() => this.#find(), 120);
    // Who is quicker than the search means the words that stand there.
    const step = (by) => (seek.flush() ? null : this.#step(by));
    this.field.addEventListener("input", seek);
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") this.#closeSearch();
      else return;
      event.preventDefault();
    });
    this.box.append(
      this.field,
      this.count,
      button("Previous match", "chevron-up", () => step(-1)),
      button("Next match", "chevron-down", () => step(1)),
      button("Close the search", "x", () => this.#closeSearch()),
    );
    return this.box;
  }

  /** Fills the list with the language that is chosen. */
  async load() {
    const track = this.#track;
    const cues = await cuesOf(this.#media, track);
    // Another was chosen meanwhile.
    if (track !== this.#track) return;
    this.list.lang = track.language;
    this.#rows = linesOf(cues).map((line) => this.#row(line));
    this.#current = null;
    this.list.replaceChildren(...this.#rows.map((row) => row.item));
    if (this.#rows.length === 0) this.list.append(element("li", "none", "These captions could not be loaded."));
    this.#find();
    this.#follow();
  }

  #row({ start, cues }) {
    const item = element("li");
    const time = button(`Play from ${clock(start)}`, "", () => {}, "at");
    time.textContent = clock(start);
    const text = element("p");
    const spans = cues.map(({ cue, words }) => {
      const span = element("span", "", words);
      text.append(text.hasChildNodes() ? " " : "", span);
      return { cue, words, span };
    });
    item.append(time, text);
    return { start, item, spans };
  }

  #press(event) {
    if (String(getSelection()).length > 0 && !event.target.closest("button")) return;
    const row = this.#rows.find(({ item }) => item.contains(event.target));
    if (!row) return;
    const spoken = row.spans.find(({ span }) => span.contains(event.target));
    this.#setFollowing(true);
    this.#jump(spoken?.cue.startTime ?? row.start);
  }

  #follow() {
    const now = this.#media.currentTime;
    const row = this.#rows.findLast(({ start }) => start <= now + 0.05) ?? null;
    if (row !== this.#current) {
      this.#current?.item.removeAttribute("aria-current");
      for (const { span } of this.#current?.spans ?? []) span.classList.remove("spoken");
      row?.item.setAttribute("aria-current", "true");
      this.#current = row;
      if (this.#following && row) this.#show(row.item);
    }
    for (const { cue, span } of row?.spans ?? []) span.classList.toggle("spoken", cue.startTime <= now + 0.05 && now < cue.endTime);
  }

  /** Brings something into the middle of the list; the page stays where it is. */
  #show(what) {
    const list = this.list;
    const top = what.offsetTop - (list.clientHeight - what.offsetHeight) / 2;
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    // A first jump is a jump; what follows glides.
    list.scrollTo({ top, behavior: isCalm || this.#scrolled === 0 ? "auto" : "smooth" });
    this.#scrolled += 1;
  }

  #setFollowing(on) {
    if (on === this.#following) return;
    this.#following = on;
    this.follower.setAttribute("aria-pressed", String(on));
    relabel(this.follower, on ? "Following what is spoken" : "Follow what is spoken");
    this.follower.querySelector("span").textContent = on ? "Following" : "Follow";
    if (on && this.#current) this.#show(this.#current.item);
  }

  #openSearch() {
    if (!this.box.hidden) return this.#closeSearch();
    this.box.hidden = false;
    this.finder.setAttribute("aria-expanded", "true");
    this.field.focus();
  }

  #closeSearch() {
    this.box.hidden = true;
    this.finder.setAttribute("aria-expanded", "false");
    this.field.value = "";
    this.#find();
    this.finder.focus();
  }

  /** Marks every place of what is sought; one may go over several cues. */
  #find() {
    const sought = this.field.value.trim().replace(/\s+/g, " ").toLocaleLowerCase();
    this.#hits = [];
    this.#hit = -1;
    for (const row of this.#rows) {
      const text = row.spans.map(({ words }) => words).join(" ");
      const hits = sought ? hitsIn(text, sought) : [];
      let from = 0;
      const marks = hits.map(() => []);
      for (const part of row.spans) {
        part.span.replaceChildren(...marked(part.words, from, hits, marks));
        from += part.words.length + 1;
      }
      this.#hits.push(...marks.map((parts) => ({ row, parts })));
    }
    if (sought) {
      this.#tellCount();
      if (this.#hits.length > 0) this.#step(1);
      else announce("Nothing found");
    } else this.count.textContent = "";
  }

  #step(by) {
    const all = this.#hits.length;
    if (all === 0) return;
    for (const part of this.#hits[this.#hit]?.parts ?? []) part.classList.remove("here");
    this.#hit = (this.#hit + by + all) % all;
    const { row, parts } = this.#hits[this.#hit];
    for (const part of parts) part.classList.add("here");
    this.#setFollowing(false);
    this.#show(row.item);
    this.#tellCount();
    announce(`${this.#hit + 1} of ${all}, at ${clock(row.start)}`);
  }

  #tellCount() {
    this.count.textContent = this.#hits.length === 0 ? "Nothing" : `${Math.max(this.#hit, 0) + 1} of ${this.#hits.length}`;
  }
}

/** The words of a cue, which begin at `from` of their line, with marks where hits go over them. */
function marked(words, from, hits, marks) {
  const parts = [];
  let at = 0;
  hits.forEach(([start, end], index) => {
    const begin = Math.max(start - from, at);
    const stop = Math.min(end - from, words.length);
    if (begin >= stop) return;
    const mark = element("mark", "", words.slice(begin, stop));
    parts.push(words.slice(at, begin), mark);
    marks[index].push(mark);
    at = stop;
  });
  parts.push(words.slice(at));
  return parts;
}

/** Puts the transcript in the place of what stands there without a script. Gives its section. */
export async function openTranscript(details, media, captions, jump) {
  const transcript = new Transcript(media, captions, jump);
  details.replaceWith(transcript.section);
  await transcript.load();
  return transcript.section;
}
