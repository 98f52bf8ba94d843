// The connection of a room: opened again when it breaks, with growing waits, and never said to stand when it does not.
//
// A client that comes back names the last number that it has seen and gets what came after (docs/LIVE.md). The newest
// number is known here, so that no line is missed and none comes twice.

import { nextWait } from "./room-words.js";

/** The room is closed to this person. */
const FORBIDDEN = 4403;
/** A socket that does not open within this time is given up. */
const OPEN_MS = 15_000;
/** Clocks that stood still for so long belong to a machine that slept: its connections are dead, and do not know it. */
const SLEPT_MS = 30_000;
const TICK_MS = 5000;
/** After so long without a word, who looks at the page again first sees whether the connection stands. */
const QUIET_MS = 60_000;

export class RoomSocket {
  #address;
  #hear;
  #say;
  #socket = null;
  #base = 0;
  #timer = 0;
  #isClosed = false;
  #isReady = false;
  #heardAt = Date.now();
  #tickedAt = Date.now();
  #stop = new AbortController();

  /**
   * @param {{address: string, last: number, hear: (frame: object) => void, say: (state: object) => void}} given
   *   `say` gets `{state: "here" | "connecting" | "away" | "closed", until?: number, words?: string}`
   */
  constructor({ address, last, hear, say }) {
    this.#address = address;
    this.#hear = hear;
    this.#say = say;
    /** Number of what happened last, as far as this page knows. */
    this.last = last;
    const { signal } = this.#stop;
    window.addEventListener("online", () => this.retryNow(), { signal });
    window.addEventListener("offline", () => this.#lose(), { signal });
    window.addEventListener("pagehide", () => this.#drop(), { signal });
    // A page kept in the back-forward cache comes back without its connection.
    window.addEventListener("pageshow", (event) => event.persisted && this.#open(), { signal });
    document.addEventListener("visibilitychange", () => this.#look(), { signal });
    const ticking = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(ticking));
    this.#open();
  }

  /** Whether what is told now reaches the site, as far as can be known. */
  get isReady() {
    return this.#isReady;
  }

  /** Sends a frame; false when there is no connection. */
  tell(frame) {
    if (!this.#isReady || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Tries at once, without waiting any longer. */
  retryNow() {
    if (this.#isClosed || this.#socket) return;
    this.#base = 0;
    this.#open();
  }

  /** For who has reason to believe that the connection is dead: an answer did not come. */
  #lose() {
    if (this.#isClosed || !this.#socket) return;
    this.#drop();
    this.#wait();
  }

  /** An answer did not come: the connection is given up and opened anew. */
  giveUp() {
    this.#lose();
  }

  /** Ends it for good. */
  close() {
    this.#isClosed = true;
    this.#stop.abort();
    this.#drop();
  }

  #open() {
    clearTimeout(this.#timer);
    if (this.#isClosed || this.#socket) return;
    const address = new URL(this.#address, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.search = new URLSearchParams({ v: "2", after: this.last });
    this.#say({ state: "connecting" });
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lose(), OPEN_MS);
    socket.addEventListener("message", ({ data }) => {
      if (this.#socket === socket) this.#take(data);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (code === FORBIDDEN) this.#end(reason);
      else this.#wait();
    });
  }

  #take(data) {
    this.#heardAt = Date.now();
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame.type === "restart") this.#base = Math.max(0, frame.retry_ms / 2);
    if (frame.type === "ready") {
      clearTimeout(this.#timer);
      this.#base = 0;
      this.#isReady = true;
    }
    this.#hear(frame);
    if (frame.type === "ready") this.#say({ state: "here" });
  }

  #wait() {
    this.#isReady = false;
    clearTimeout(this.#timer);
    const { base, wait } = nextWait(this.#base, Math.random());
    this.#base = base;
    this.#say({ state: "away", until: Date.now() + wait });
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  #end(reason) {
    this.#isClosed = true;
    this.#isReady = false;
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#say({ state: "closed", words: reason });
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#isReady = false;
    socket?.close();
  }

  #tick() {
    const slept = Date.now() - this.#tickedAt > SLEPT_MS;
    this.#tickedAt = Date.now();
    if (!slept || document.visibilityState === "hidden") return;
    this.#lose();
    this.retryNow();
  }

  /** Somebody looks again after a while in which nothing was heard: the connection may have died meanwhile. */
  #look() {
    if (document.visibilityState !== "visible") return;
    if (!this.#socket) this.retryNow();
    else if (Date.now() - this.#heardAt > QUIET_MS) {
      this.#lose();
      this.retryNow();
    }
  }
}
