// What a room says in words, and the rules by which lines stand together. Pure: no page, no clock of its own.

/** Lines of one speaker that follow each other within this time stand under one name; the server draws them alike. */
export const GROUP_MS = 5 * 60_000;

/** So long somebody counts as typing after she was last heard to. */
export const TYPING_MS = 5000;

/** How times are written, as the server writes them; in the browser's zone until the page says another. */
let zone;
let days;
let clocks;
let dates;
setZone(undefined);

/** From now on times are told in this zone. One that the browser does not know leaves all as it is. */
export function setZone(name) {
  try {
    days = new Intl.DateTimeFormat("en-CA", { timeZone: name });
  } catch {
    return;
  }
  zone = name;
  clocks = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  dates = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "long", year: "numeric" });
}

/** The day of a time, to be compared with other days. */
export function dayOf(when) {
  return days.format(when);
}

/** 13:48. */
export function timeWords(when) {
  return clocks.format(when);
}

/** "Today", "Yesterday", "2 March 2026". */
export function dayWords(when, now) {
  const day = dayOf(when);
  if (day === dayOf(now)) return "Today";
  return day === dayOf(new Date(now.getTime() - 86_400_000)) ? "Yesterday" : dates.format(when);
}

/** "2 March 2026, 13:48:09", for hovering. */
export function exactWords(when) {
  return when.toLocaleString("en-GB", { timeZone: zone, dateStyle: "long", timeStyle: "medium" });
}

/** "New since 13:52", with the day where that was another one. */
export function sinceWords(when, now) {
  const day = dayWords(when, now);
  if (day === "Today") return `New since ${timeWords(when)}`;
  return `New since ${day === "Yesterday" ? "yesterday" : day}, ${timeWords(when)}`;
}

/** Whether a line stands under the name of the one before. Each is `{speaker, when}`. */
export function goesOn(before, line) {
  return (
    before !== null &&
    before.speaker === line.speaker &&
    dayOf(before.when) === dayOf(line.when) &&
    line.when - before.when < GROUP_MS
  );
}

/** Who is typing, in a sentence; of many only that they are several. */
export function typingWords(names) {
  const first = names.map((name) => name.split(" ")[0]);
  if (first.length === 0) return "";
  if (first.length === 1) return `${first[0]} is typing`;
  if (first.length === 2) return `${first[0]} and ${first[1]} are typing`;
  return "Several people are typing";
}

/** "Joon-ho, Leila, Kwame and 11 more": who was here, of whom `shown` are named. */
export function namesWords(names, shown = 3) {
  const first = names.map((name) => name.split(" ")[0]);
  if (first.length <= 1) return first.join("");
  if (first.length <= shown) return `${first.slice(0, -1).join(", ")} and ${first.at(-1)}`;
  return `${first.slice(0, shown).join(", ")} and ${first.length - shown} more`;
}

/** "4 s", "3 min", "2 h", "5 days": a wait, never shorter than it is. */
export function waitWords(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.ceil(seconds / 3600)} h`;
  return `${Math.ceil(seconds / 86_400)} days`;
}

/** How long to wait before the next try: it doubles up to 15 s, and is spread out so that not all come back at once. */
export function nextWait(before, chance) {
  const base = Math.min(Math.max(before, 500) * 2, 15_000);
  return { base, wait: Math.round(base * (0.5 + chance)) };
}

/** "3 new lines", "1 new line". */
export function newLinesWords(count) {
  return `${count} new ${count === 1 ? "line" : "lines"}`;
}

/** The size in which a picture stands in a line, known before it is there; the site reckons alike. */
export function fit(width, height) {
  const [across, down] = [Math.max(1, width), Math.max(1, height)];
  const scale = Math.min(320 / across, 240 / down, 1);
  const side = (length) => Math.max(44, Math.round(length * scale));
  return { width: side(across), height: side(down) };
}

/** What stands for pictures where they are not shown. */
export const WITHOUT_WORDS = "(a picture)";

/**
 * The mention that is being typed where the cursor stands: `{from, query}`, or null. It begins at an @ at the start of a
 * word and holds what user names hold.
 */
export function mentionAt(text, cursor) {
  const found = /(?:^|[^\p{L}\p{N}_@.+-])@([\p{L}\p{N}_@.+-]{0,40})$/u.exec(text.slice(0, cursor));
  return found ? { from: cursor - found[1].length - 1, query: found[1] } : null;
}

/** Those whose name, or a word of it, begins with what was typed; the nearest first, at most `most`. */
export function matching(people, query, most = 8) {
  const wanted = query.toLocaleLowerCase();
  const rank = ({ user, name }) => {
    if (user.toLocaleLowerCase().startsWith(wanted)) return 0;
    const words = name.toLocaleLowerCase().split(/\s+/);
    if (words[0].startsWith(wanted)) return 1;
    return words.some((word) => word.startsWith(wanted)) ? 2 : 3;
  };
  return people
    .map((person) => ({ person, rank: rank(person) }))
    .filter((each) => each.rank < 3)
    .sort((a, b) => a.rank - b.rank || a.person.name.localeCompare(b.person.name))
    .slice(0, most)
    .map((each) => each.person);
}

/** Text with a selection, with marks around what is selected: code in one line, or a fenced block. */
export function asCode(text, from, to) {
  const chosen = text.slice(from, to);
  if (chosen.includes("\n") || (chosen === "" && text.trim() === "")) {
    const before = from > 0 && text[from - 1] !== "\n" ? "\n" : "";
    const after = to < text.length && text[to] !== "\n" ? "\n" : "";
    const made = `${before}\`\`\`\n${chosen}\n\`\`\`${after}`;
    const start = from + before.length + 4;
    return { text: text.slice(0, from) + made + text.slice(to), from: start, to: start + chosen.length };
  }
  return { text: `${text.slice(0, from)}\`${chosen}\`${text.slice(to)}`, from: from + 1, to: to + 1 };
}

/** Text with a selection, made a link whose address is then to be typed. */
export function asLink(text, from, to) {
  const chosen = text.slice(from, to);
  if (/^https?:\/\/\S+$/.test(chosen)) {
    return { text: `${text.slice(0, from)}[](${chosen})${text.slice(to)}`, from: from + 1, to: from + 1 };
  }
  const words = chosen || "words";
  const start = from + words.length + 3;
  return { text: `${text.slice(0, from)}[${words}](https://)${text.slice(to)}`, from: start, to: start + 8 };
}

/** What is looked for, parted into what matches and what does not, so that it can be marked: `[{text, found}]`. */
export function marked(text, query) {
  const words = query.trim().split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (words.length === 0) return [{ text, found: false }];
  const parts = text.split(new RegExp(`(${words.join("|")})`, "giu"));
  return parts.map((part, place) => ({ text: part, found: place % 2 === 1 })).filter((part) => part.text !== "");
}

/**
 * Whether a key belongs to an input method: Enter takes what it offers, and sends nothing. Safari has ended the composition
 * by then, and leaves the code 229 of such keys (UI Events, section 7.3.1).
 */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;
