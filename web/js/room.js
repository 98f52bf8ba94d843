// The room of a course: what is said comes over a socket, and what is written here is kept until the site has it.
//
// Every line has a number that grows. The page knows the last that it has seen and asks for what came after each time
// that it connects, so that no line is missed and none stands there twice. A line is written down in this browser
// before it is sent, and taken away again when the site says that it has it.

import { announce } from "./common.js";
import { enrich } from "./rich.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const GROUP_MS = 5 * 60_000;
const FORBIDDEN = 4403;

const room = document.getElementById("room");
const scroller = document.getElementById("room-lines");
const list = document.getElementById("room-list");
const form = document.getElementById("room-write");
const field = document.getElementById("room-text");
const fault = document.getElementById("room-fault");
const older = document.getElementById("room-older");
const me = Number(room.dataset.person);
const store = `lyceum-room:${me}:${room.dataset.socket}`;

/** Number of what happened last, as far as this page knows. */
let last = Number(room.dataset.last);
let socket = null;
let wait = FIRST_WAIT_MS;
/** The line that is being changed. */
let editing = null;
/** What was written and is not yet kept, by the name that this page gave it. */
const unsent = new Map(remembered().unsent ?? []);

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(store) ?? "{}");
  } catch {
    return {};
  }
}

function remember() {
  try {
    localStorage.setItem(store, JSON.stringify({ draft: editing ? "" : field.value, unsent: [...unsent] }));
  } catch {
    // A browser without room for it forgets when it is closed.
  }
}

// --- Connection ------------------------------------------------------------------------------------------

function say(state, words) {
  const place = document.getElementById("room-state");
  place.dataset.state = state;
  place.querySelector(".words").textContent = words;
}

function connect() {
  const address = new URL(room.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  address.search = new URLSearchParams({ v: "2", after: last });
  const opened = new WebSocket(address);
  socket = opened;
  opened.addEventListener("message", (message) => hear(JSON.parse(message.data)));
  opened.addEventListener("close", (event) => {
    if (socket !== opened) return;
    socket = null;
    if (event.code === FORBIDDEN) return leave(event.reason);
    say("away", navigator.onLine ? "Reconnecting…" : "No connection. What you write is sent when it is back.");
    setTimeout(connect, wait * (0.5 + Math.random()));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  });
}

function leave(reason) {
  say("closed", reason || "This room is closed to you.");
  form.hidden = true;
}

function hear(frame) {
  if (frame.type === "chat_message") return add(frame);
  if (frame.type === "chat_edit") return change(frame);
  if (frame.type === "chat_delete") return remove(frame);
  if (frame.type === "ack") return confirm(frame);
  if (frame.type === "error") return refuse(frame);
  if (frame.type === "restart") wait = frame.retry_ms;
  if (frame.type !== "ready" && frame.type !== "lagged") return undefined;
  last = frame.last;
  if (!frame.recovered) return startOver();
  if (frame.type === "ready") {
    wait = FIRST_WAIT_MS;
    say("here", "Connected");
    for (const [id, line] of unsent) send(id, line.text);
  }
  return undefined;
}

/** Too much was missed to be told again: the newest page is read, and older ones on the way up. */
async function startOver() {
  for (const line of list.querySelectorAll(":scope > li:not(.is-waiting)")) line.remove();
  older.hidden = false;
  await readOlder();
  toEnd();
  if (socket?.readyState === WebSocket.OPEN) say("here", "Connected");
}

// --- Lines -----------------------------------------------------------------------------------------------

function add(frame) {
  last = Math.max(last, frame.id);
  const waiting = frame.client_id && frame.user_id === me ? list.querySelector(`[data-client="${CSS.escape(frame.client_id)}"]`) : null;
  waiting?.remove();
  if (frame.client_id && frame.user_id === me) forget(frame.client_id);
  if (document.getElementById(`line-${frame.id}`)) return;
  const wasAtEnd = isAtEnd();
  document.getElementById("room-empty").hidden = true;
  list.insertBefore(draw(frame), list.querySelector(".is-waiting"));
  regroup();
  if (wasAtEnd || frame.user_id === me) toEnd();
}

function draw(frame) {
  const line = document.getElementById("line-template").content.firstElementChild.cloneNode(true);
  line.id = `line-${frame.id}`;
  line.dataset.id = frame.id;
  line.dataset.time = frame.datetime;
  line.dataset.speaker = frame.user_id ?? 0;
  if (frame.user_id === me) line.dataset.hers = "yes";
  const avatar = line.querySelector(".avatar");
  avatar.classList.add(`subject-${(frame.user_id ?? 0) % 6}`);
  avatar.textContent = frame.initials;
  line.querySelector("strong").textContent = frame.name;
  line.querySelector(".teacher").hidden = !frame.is_teacher;
  line.querySelector(".edited").hidden = !frame.is_edited;
  const time = line.querySelector("time");
  const when = new Date(frame.datetime);
  time.dateTime = frame.datetime;
  time.title = when.toLocaleString();
  time.textContent = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  write(line, frame.message);
  equip(line);
  return line;
}

function write(line, words) {
  line.dataset.words = words;
  line.querySelector(".text").replaceChildren(...enrich(words));
}

/** Change and delete, where they are allowed. */
function equip(line) {
  const isHers = line.dataset.hers === "yes";
  if (!isHers && room.dataset.moderator !== "yes") return;
  const tools = document.getElementById("tools-template").content.firstElementChild.cloneNode(true);
  if (isHers) tools.querySelector(".edit").addEventListener("click", () => edit(line));
  else tools.querySelector(".edit").remove();
  tools.querySelector(".delete").addEventListener("click", () => takeBack(line));
  line.append(tools);
}

function change(frame) {
  const line = document.getElementById(`line-${frame.id}`);
  if (!line) return;
  write(line, frame.message);
  const edited = line.querySelector(".edited");
  if (edited) edited.hidden = false;
  else line.querySelector(".said").append(Object.assign(document.createElement("span"), { className: "edited", textContent: "edited" }));
}

function remove(frame) {
  document.getElementById(`line-${frame.id}`)?.remove();
  if (editing === String(frame.id)) stopEditing();
  regroup();
}

/** Puts the days between the lines, and lines of one speaker under one name. */
function regroup() {
  for (const day of list.querySelectorAll(".day")) day.remove();
  let before = null;
  for (const line of list.querySelectorAll(".line:not(.is-waiting)")) {
    const when = new Date(line.dataset.time);
    const isOtherDay = before?.when.toDateString() !== when.toDateString();
    if (isOtherDay) line.before(Object.assign(document.createElement("li"), { className: "day rule-text", textContent: dayWords(when) }));
    const goesOn = !isOtherDay && before.speaker === line.dataset.speaker && when - before.when < GROUP_MS;
    line.classList.toggle("goes-on", goesOn);
    before = { when, speaker: line.dataset.speaker };
  }
}

function dayWords(when) {
  const today = new Date();
  if (when.toDateString() === today.toDateString()) return "Today";
  today.setDate(today.getDate() - 1);
  if (when.toDateString() === today.toDateString()) return "Yesterday";
  return when.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
}

function isAtEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
}

function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

async function readOlder() {
  older.disabled = true;
  const first = list.querySelector(".line:not(.is-waiting)");
  const asked = first ? `?before=${first.dataset.id}` : "";
  try {
    const answer = await fetch(room.dataset.history + asked, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`The site answered with an error (${answer.status}).`);
    const { lines, has_more: hasMore } = await answer.json();
    const height = scroller.scrollHeight;
    const place = first ?? list.querySelector(".is-waiting");
    for (const frame of lines) if (!document.getElementById(`line-${frame.id}`)) list.insertBefore(draw(frame), place);
    older.hidden = !hasMore;
    regroup();
    scroller.scrollTop += scroller.scrollHeight - height;
  } catch {
    announce("Earlier lines could not be read. Try again in a moment.");
  }
  older.disabled = false;
}

// --- Writing ---------------------------------------------------------------------------------------------

function submit() {
  const words = field.value.trim();
  if (!words) return;
  fault.hidden = true;
  if (editing) {
    if (!tell({ type: "edit", id: Number(editing), message: words })) return showFault("There is no connection just now. Try again when it is back.");
    stopEditing();
    return undefined;
  }
  const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  unsent.set(id, { text: words, at: new Date().toISOString() });
  field.value = "";
  remember();
  showWaiting(id, words);
  send(id, words);
  grow();
  return undefined;
}

function send(id, words) {
  tell({ message: words, client_id: id });
}

function tell(frame) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(frame));
  return true;
}

/** A line that the site does not have yet. */
function showWaiting(id, words) {
  const line = document.createElement("li");
  line.className = "line is-waiting";
  line.dataset.client = id;
  const text = Object.assign(document.createElement("div"), { className: "text" });
  text.append(...enrich(words));
  const note = Object.assign(document.createElement("p"), { className: "note", textContent: "On its way…" });
  const said = Object.assign(document.createElement("div"), { className: "said" });
  said.append(text, note);
  line.append(said);
  document.getElementById("room-empty").hidden = true;
  list.append(line);
  toEnd();
}

function confirm(frame) {
  // The line itself comes, or has come, as everybody gets it; this says so of one that came twice.
  forget(frame.client_id);
  if (document.getElementById(`line-${frame.id}`)) list.querySelector(`[data-client="${CSS.escape(frame.client_id)}"]`)?.remove();
}

function forget(id) {
  unsent.delete(id);
  remember();
}

function refuse(frame) {
  if (frame.code === "too_fast" && frame.client_id && unsent.has(frame.client_id)) {
    setTimeout(() => unsent.has(frame.client_id) && send(frame.client_id, unsent.get(frame.client_id).text), 1000 * (frame.retry_after_seconds ?? 1));
    return;
  }
  const line = frame.client_id ? unsent.get(frame.client_id) : null;
  if (line && frame.code !== "not_kept") {
    // Given back, to be mended.
    forget(frame.client_id);
    list.querySelector(`[data-client="${CSS.escape(frame.client_id)}"]`)?.remove();
    if (!field.value) field.value = line.text;
  }
  showFault(frame.message);
}

function showFault(words) {
  fault.textContent = words;
  fault.hidden = false;
}

function edit(line) {
  editing = line.dataset.id;
  document.getElementById("room-editing").hidden = false;
  field.value = line.dataset.words;
  field.focus();
  grow();
}

function stopEditing() {
  editing = null;
  document.getElementById("room-editing").hidden = true;
  field.value = "";
  grow();
}

function takeBack(line) {
  const whose = line.dataset.hers === "yes" ? "your line" : "this line";
  if (!window.confirm(`Delete ${whose}? It is gone for everybody.`)) return;
  if (!tell({ type: "delete", id: Number(line.dataset.id) })) showFault("There is no connection just now. Try again when it is back.");
}

function grow() {
  field.rows = Math.min(10, Math.max(2, field.value.split("\n").length));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit();
  }
  if (event.key === "Escape" && editing) stopEditing();
});
field.addEventListener("input", () => {
  remember();
  grow();
});
document.getElementById("room-cancel").addEventListener("click", stopEditing);
older.addEventListener("click", readOlder);
window.addEventListener("online", () => {
  wait = FIRST_WAIT_MS;
});

for (const line of list.querySelectorAll(".line")) {
  write(line, line.querySelector(".text").textContent);
  equip(line);
}
field.value = remembered().draft ?? "";
form.hidden = false;
grow();
for (const [id, line] of unsent) showWaiting(id, line.text);
toEnd();
connect();
