// The room of a course, put together: its connection, its lines, the place to write, who is here, and what moderators do.
//
// Lines come over a socket, and what is written here is kept until the site has it. The same room opens on a page of its
// own and beside a lesson (room-beside.js).

import { Composer } from "./room-composer.js";
import { Lines } from "./room-lines.js";
import { speakerOf } from "./room-line.js";
import { Marks } from "./room-marks.js";
import { Outbox } from "./room-outbox.js";
import { People } from "./room-people.js";
import { RoomSocket } from "./room-socket.js";
import { Tools } from "./room-tools.js";
import { setZone, waitWords } from "./room-words.js";

/**
 * Opens the room that the page holds.
 *
 * @param {HTMLElement} root
 * @returns {{close: () => void, focus: () => void}}
 */
export function openRoom(root) {
  const room = new Room(root);
  return { close: () => room.close(), focus: () => room.composer.field.focus() };
}

class Room {
  #stop = new AbortController();
  #counting = 0;
  /** How the room stands to her, as it was told last. */
  #standing = null;

  constructor(root) {
    this.root = root;
    setZone(root.dataset.zone);
    const { person, username, name, initials, teacher, moderator } = root.dataset;
    this.me = { id: Number(person), user: username, name, initials, isTeacher: teacher === "yes" };
    this.isModerator = moderator === "yes";
    const store = `lyceum-room:${person}:${root.dataset.room}`;
    const tell = (frame) => this.socket?.tell(frame) ?? false;
    this.lines = new Lines({ root, me: this.me });
    this.marks = new Marks({ root, lines: this.lines, me: this.me, tell, signal: this.#stop.signal });
    this.outbox = new Outbox({
      store, tell, pictures: root.dataset.pictures, list: this.lines.list, me: this.me,
      giveUp: () => this.socket.giveUp(),
      giveBack: (entry) => this.composer.giveBack(entry),
    });
    this.composer = new Composer({ root, store, tell, lines: this.lines, outbox: this.outbox, onSaid: () => this.#said() });
    this.people = new People({ me: this.me, lines: this.lines, onMute: this.isModerator ? (person) => this.#mute(person) : null });
    this.#equip();
    this.#readAside();
    this.marks.begin();
    this.socket = new RoomSocket({
      address: root.dataset.socket,
      last: Number(root.dataset.last),
      hear: (frame) => this.#hear(frame),
      say: (state) => this.#say(state),
    });
  }

  close() {
    this.#stop.abort();
    clearInterval(this.#counting);
    this.socket.close();
  }

  #equip() {
    this.tools = new Tools({
      lines: this.lines,
      isModerator: this.isModerator,
      acts: {
        reply: (line) => this.composer.reply(line),
        edit: (line) => this.composer.edit(line),
        remove: (line) => this.#takeBack(line),
        mute: (line) => this.#mute({ user_id: Number(line.dataset.speaker), name: speakerOf(line) }),
        leave: () => this.composer.field.focus(),
      },
    });
    this.lines.list.addEventListener("click", (event) => {
      const picture = event.target.closest(".pictures a");
      if (picture) return this.#view(event, picture);
      const quote = event.target.closest("a.quote");
      if (!quote) return undefined;
      event.preventDefault();
      this.lines.goTo(quote.dataset.to);
      return undefined;
    });
    document.getElementById("room-retry").addEventListener("click", () => this.socket.retryNow());
  }

  /** A picture in full; in a window of its own to who asks the browser for one. */
  #view(event, link) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    import("./room-viewer.js").then(({ view }) => view(link)).catch(() => location.assign(link.href));
  }

  /** Parts that are not needed at once come when they are. */
  #readAside() {
    const opener = document.getElementById("room-search-open");
    const load = async () => {
      const { Search } = await import("./room-search.js");
      return new Search({ root: this.root, lines: this.lines });
    };
    if (!document.getElementById("room-search").hidden) load();
    else {
      opener.addEventListener("click", async (event) => {
        event.preventDefault();
        (await load()).open();
      }, { once: true });
    }
    const { field } = this.composer;
    const name = async () => {
      if (!field.value.includes("@")) return;
      field.removeEventListener("input", name);
      const { Mentions } = await import("./room-mentions.js");
      new Mentions({ field, people: () => this.people.known() }).look();
    };
    field.addEventListener("input", name);
    if (!this.isModerator) return;
    this.moderation = import("./room-moderate.js").then(({ Moderation }) => {
      const made = new Moderation({
        tell: (frame) => this.socket.tell(frame),
        showFault: (words) => this.composer.showFault(words),
      });
      if (this.#standing) made.stands(this.#standing);
      return made;
    });
  }

  #hear(frame) {
    const acts = {
      chat_message: () => this.#add(frame),
      chat_edit: () => this.#change(frame),
      chat_delete: () => this.#remove(frame),
      ack: () => this.outbox.kept(frame.client_id, this.lines.find(frame.id) !== null || !this.lines.hasNewest),
      error: () => this.outbox.refused(frame) || this.composer.refused(frame),
      ready: () => this.#ready(frame),
      lagged: () => this.#catchUp(frame),
      room: () => this.#stands(frame),
      here: () => this.people.all(frame),
      presence: () => this.people.moved(frame),
      typing: () => this.people.types(frame),
      read: () => this.marks.set(frame.id),
    };
    acts[frame.type]?.();
  }

  #add(frame) {
    this.socket.last = Math.max(this.socket.last, frame.id);
    const isFromHere = frame.user_id === this.me.id && this.outbox.has(frame.client_id);
    const line = this.lines.add(frame, isFromHere);
    if (isFromHere) this.outbox.kept(frame.client_id, true);
    this.people.said(frame);
    this.marks.heard(line, frame);
    this.tools.stop();
  }

  #change(frame) {
    this.lines.change(frame);
    this.composer.changed(frame);
  }

  #remove(frame) {
    this.lines.remove(frame);
    this.composer.changed(frame);
    this.tools.stop();
  }

  #ready(frame) {
    this.#catchUp(frame);
    this.outbox.ready();
    this.composer.ready();
    this.marks.ready();
  }

  /** What was missed has come, or is too much to be told again: then the newest page is read. */
  #catchUp({ last, recovered }) {
    this.socket.last = last;
    if (!recovered) this.lines.readNewest();
  }

  #stands(frame) {
    this.#standing = frame;
    this.composer.stands(frame, this.isModerator);
    this.moderation?.then((moderation) => moderation.stands(frame));
    if (typeof frame.read === "number") this.marks.set(frame.read);
  }

  async #said() {
    this.marks.wrote();
    if (!this.lines.hasNewest) await this.lines.readNewest();
  }

  /** The state of the connection, in words that are true. */
  #say({ state, until, words }) {
    const place = document.getElementById("room-state");
    const strip = document.getElementById("room-away");
    clearInterval(this.#counting);
    // At the beginning, and for the blink of an eye in which it comes back, nothing is broken.
    const isBroken = state === "away" || state === "closed" || (state === "connecting" && place.dataset.state === "away");
    if (state === "away" || state === "closed") {
      this.outbox.lost();
      this.people.forget();
    }
    place.dataset.state = isBroken && state === "connecting" ? "away" : state;
    place.querySelector(".words").textContent = { here: "Connected", connecting: "Connecting…", away: "Not connected", closed: "Closed" }[state];
    strip.hidden = !isBroken;
    document.getElementById("room-retry").hidden = state !== "away";
    const told = strip.querySelector(".words");
    if (state === "closed") {
      told.textContent = words || "This room is closed to you.";
      this.composer.close();
    } else if (state === "connecting" && isBroken) {
      told.textContent = "No connection. Trying now…";
    } else if (state === "away") {
      const count = () => {
        told.textContent = `No connection. Trying again in ${waitWords((until - Date.now()) / 1000)}`;
      };
      count();
      this.#counting = setInterval(count, 1000);
    }
  }

  async #mute(person) {
    (await this.moderation).mute(person);
  }

  #takeBack(line) {
    const whose = line.dataset.hers === "yes" ? "your line" : `the line of ${speakerOf(line)}`;
    if (!window.confirm(`Delete ${whose}? It is gone for everybody, and cannot be brought back.`)) return;
    if (!this.socket.tell({ type: "delete", id: Number(line.dataset.id) })) {
      this.composer.showFault("There is no connection just now. Try again when it is back.");
    }
  }
}
