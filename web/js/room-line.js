// One line of a room as an element: drawn from a frame, or taken over as the site drew it. Where it stands is the
// business of room-lines.js.

import { element } from "./common.js";
import { enrich } from "./rich.js";
import { WITHOUT_WORDS, dayOf, dayWords, exactWords, fit, goesOn, timeWords } from "./room-words.js";

/** Lines that the site has; those that wait to be sent are none of them. */
export const LINE = ".line:not(.is-waiting)";

/**
 * Draws a line.
 *
 * @param {object} frame as it comes over the socket
 * @param {{id: number, user: string}} me
 */
export function draw(frame, me) {
  const line = document.getElementById("line-template").content.firstElementChild.cloneNode(true);
  line.id = `line-${frame.id}`;
  Object.assign(line.dataset, {
    id: frame.id,
    time: frame.datetime,
    speaker: frame.user_id ?? 0,
    user: frame.user,
    mentions: (frame.mentions ?? []).join(" "),
  });
  if (frame.user_id === me.id) line.dataset.hers = "yes";
  const avatar = line.querySelector(".avatar");
  avatar.classList.add(`subject-${(frame.user_id ?? 0) % 6}`);
  avatar.textContent = frame.initials;
  line.querySelector(".who strong").textContent = frame.name;
  line.querySelector(".teacher").hidden = !frame.is_teacher;
  line.querySelector(".edited").hidden = !frame.is_edited;
  const when = new Date(frame.datetime);
  const time = line.querySelector("time");
  time.dateTime = frame.datetime;
  time.title = exactWords(when);
  time.textContent = timeWords(when);
  quote(line, frame.reply_to);
  show(line, frame.pictures ?? [], frame.message);
  name(line);
  write(line, frame.message, me);
  return line;
}

/** Takes over a line that the site drew. */
export function adopt(line, me) {
  name(line);
  write(line, line.querySelector(".text").textContent, me);
}

/** The text of a line. */
export function write(line, words, me) {
  line.dataset.words = words;
  const mentions = (line.dataset.mentions ?? "").split(" ").filter(Boolean);
  line.querySelector(".text").replaceChildren(...enrich(words, { mentions, me: me.user }));
  line.classList.toggle("names-me", mentions.includes(me.user));
}

/** Who speaks, in full. */
export function speakerOf(line) {
  return line.querySelector(".who strong").textContent;
}

/** Above an answer: what it answers, a way to it. */
function quote(line, replyTo) {
  const place = line.querySelector(".quote");
  if (!replyTo) return place.remove();
  place.dataset.to = replyTo.id;
  place.href = `?line=${replyTo.id}#line-${replyTo.id}`;
  place.querySelector("strong").textContent = replyTo.name.split(" ")[0];
  place.querySelector(".words").textContent = quoted(replyTo.message);
}

/** The pictures of a line, each as large as it will be before it is there. One without an address is not sent yet. */
function show(line, pictures, words) {
  const place = line.querySelector(".pictures");
  line.querySelector(".picture-gone").hidden = pictures.length > 0 || words !== "";
  if (pictures.length === 0) return place.remove();
  for (const { url, small_url: smallUrl, width, height, alt } of pictures) {
    const image = element("img");
    Object.assign(image, { loading: "lazy", decoding: "async", alt: alt || "A picture without a description" }, fit(width, height));
    image.src = smallUrl;
    const link = element(url ? "a" : "span");
    if (url) {
      link.href = url;
      Object.assign(link.dataset, { width, height });
    }
    link.append(image);
    const item = element("li");
    item.append(link);
    place.append(item);
  }
  return undefined;
}

/** A quote is one line of plain words. */
export function quoted(words) {
  if (words === "") return WITHOUT_WORDS;
  return words === null ? "This line was deleted." : words.replace(/```[^\n`]*\n?|[`*]/g, "").replace(/\s+/g, " ").trim();
}

/** What a screen reader says when the line has the focus: who, when, what. */
function name(line) {
  const { id } = line.dataset;
  line.tabIndex = -1;
  line.querySelector(".who").id = `who-${id}`;
  line.querySelector(".text").id = `text-${id}`;
  const pictures = line.querySelector(".pictures");
  if (pictures) pictures.id = `pictures-${id}`;
  line.setAttribute("aria-labelledby", `who-${id} text-${id}${pictures ? ` pictures-${id}` : ""}`);
}

/** The line before this one, without those that wait, days and marks. */
export function lineBefore(line) {
  let before = line.previousElementSibling;
  while (before && !before.matches(LINE)) before = before.previousElementSibling;
  return before;
}

/** The line after this one. */
export function lineAfter(line) {
  let after = line.nextElementSibling;
  while (after && !after.matches(LINE)) after = after.nextElementSibling;
  return after;
}

/** Puts the day above a line where another one begins, and a line of the same speaker under the same name. */
export function settle(line) {
  const before = lineBefore(line);
  let day = null;
  let isParted = false;
  for (let each = line.previousElementSibling; each && each !== before; each = each.previousElementSibling) {
    if (each.matches(".day")) day = each;
    else isParted = true;
  }
  const now = facts(line);
  const then = before ? facts(before) : null;
  if (then && dayOf(then.when) === dayOf(now.when)) day?.remove();
  else if (!day) firstBetween(before, line).before(newDay(now.when));
  line.classList.toggle("goes-on", !isParted && goesOn(then, now));
}

/** What stands first between two lines: the mark of what is new, or the line itself. */
function firstBetween(before, line) {
  return before ? before.nextElementSibling : line.parentElement.firstElementChild;
}

function newDay(when) {
  return element("li", "day rule-text", dayWords(when, new Date()));
}

function facts(line) {
  return { speaker: line.dataset.speaker, when: new Date(line.dataset.time) };
}
