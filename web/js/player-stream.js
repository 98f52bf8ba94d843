// How a recording comes to its player: in pieces of fitting size (HLS) where there are some, else as the one file.
//
// hls.js is large: it is fetched when somebody is about to play, and only where the browser cannot do without.

import { lengthOf } from "./player-parts.js";

const TYPE = "application/vnd.apple.mpegurl";
const LONGEST_WAIT_MS = 15_000;
/** A jump to what is there takes less; and only the last second of a film is too little for a browser to begin with. */
const JUMP_MS = 400;
const TAIL_SECONDS = 1;
const LOST = "The connection was lost. It goes on by itself as soon as there is one again.";

/** Safari plays playlists by itself, and best so; other browsers that say so offer no choice of quality. */
const isNative = (media) => media.canPlayType(TYPE) !== "" && (navigator.vendor.startsWith("Apple") || !("MediaSource" in window));

/** Tracks are elements of the page: hls.js would empty them with its own. A worker would need a policy of its own. */
const SETTINGS = {
  enableWorker: false,
  capLevelToPlayerSize: true,
  maxBufferLength: 30,
  backBufferLength: 60,
  // A reader waits for seconds, not for half a minute, before she is told.
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 120_000,
      timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: 2, retryDelayMs: 500, maxRetryDelayMs: 2000 },
    },
  },
  subtitleStreamController: undefined,
  subtitleTrackController: undefined,
  timelineController: undefined,
};

/** What a level is called: the shorter side, as people say it, whichever way the film stands. */
const nameOf = ({ width, height }) => `${width && height ? Math.min(width, height) : height}p`;

export class Stream extends EventTarget {
  #media;
  #url;
  #plain;
  #hls = null;
  #starting = null;
  #tries = 0;
  #missed = 0;
  #mended = 0;
  #timer = 0;
  #jump = 0;

  /** Tells `levels` when qualities become known or change, and `fault` with `detail` words or "" when it is over. */
  constructor(media) {
    super();
    this.#media = media;
    this.#plain = media.currentSrc || media.src;
    this.#url = media.dataset.hls ?? "";
    media.addEventListener("error", () => this.#mediaFailed());
    for (const type of ["playing", "seeked"]) media.addEventListener(type, () => this.#tell(""));
    addEventListener("online", () => this.#hls && this.#tries > 0 && this.#again());
  }

  /** Whether there may be qualities to choose from. */
  get isAdaptive() {
    return Boolean(this.#url) && !isNative(this.#media) && "MediaSource" in window;
  }

  /** Fetches the program ahead of the first press. */
  warm() {
    if (this.isAdaptive && !this.#starting && !navigator.connection?.saveData) import("../lib/hls.js").catch(() => {});
  }

  /** Makes the recording ready to be played in pieces; does nothing the second time. */
  start() {
    this.#starting ??= this.#begin();
    return this.#starting;
  }

  async #begin() {
    if (!this.#url) return;
    if (isNative(this.#media)) {
      this.#load(this.#url);
      return;
    }
    if (!("MediaSource" in window)) return;
    let Hls;
    try {
      ({ default: Hls } = await import("../lib/hls.js"));
    } catch {
      return; // The plain file plays as it is.
    }
    if (!Hls.isSupported()) return;
    await this.#attach(Hls);
  }

  /** Resolves when pieces can come, or the plain file has to do. */
  #attach(Hls) {
    const media = this.#media;
    const from = media.currentTime;
    const hls = new Hls({ ...SETTINGS, startPosition: from > 0 ? from : -1 });
    this.#hls = hls;
    return new Promise((resolve) => {
      hls.on(Hls.Events.MANIFEST_PARSED, () => {
        this.#changed();
        resolve();
      });
      hls.on(Hls.Events.LEVEL_SWITCHED, () => this.#changed());
      hls.on(Hls.Events.FRAG_LOADED, () => {
        this.#tries = 0;
        this.#missed = 0;
        this.#tell("");
      });
      hls.on(Hls.Events.ERROR, (_, data) => {
        if (!data.fatal) {
          if (data.type === Hls.ErrorTypes.NETWORK_ERROR) this.#pieceMissed();
        } else if (hls.levels.length === 0) {
          this.#toPlain();
          resolve();
        } else if (data.type === Hls.ErrorTypes.NETWORK_ERROR) this.#networkFailed(data.response?.code);
        else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.#mended < 2) {
          this.#mended += 1;
          hls.recoverMediaError();
        } else this.#toPlain();
      });
      media.addEventListener("seeking", () => {
        clearTimeout(this.#jump);
        this.#jump = setTimeout(() => this.#hls === hls && this.#isAtTheEnd() && hls.trigger(Hls.Events.BUFFER_EOS, {}), JUMP_MS);
      });
      hls.loadSource(this.#url);
      hls.attachMedia(media);
    });
  }

  /**
   * Whether a jump into the last second stands still though all of the film is there. hls.js (1.7.4) says that it ends only
   * once the sound was heard; a browser that is sent there before waits for more pictures than are left, unless it is told.
   * What is there may end before the place: sound is seldom as long as its pictures.
   */
  #isAtTheEnd() {
    const { buffered, currentTime, duration, seeking } = this.#media;
    const last = buffered.length - 1;
    if (!seeking || last < 0) return false;
    const begin = Math.max(buffered.start(last), duration - TAIL_SECONDS);
    return begin < currentTime && begin < buffered.end(last);
  }

  /** `[{index, name, chosen}]`, best first, and what plays now. */
  get levels() {
    const hls = this.#hls;
    if (!hls) return [];
    const named = hls.levels.map((level, index) => ({ index, name: nameOf(level), chosen: !hls.autoLevelEnabled && hls.nextLevel === index }));
    return named.reverse();
  }

  /** Name of the level that is shown, or an empty string. */
  get now() {
    const level = this.#hls?.levels[this.#hls.currentLevel];
    return level ? nameOf(level) : "";
  }

  get isAuto() {
    return this.#hls?.autoLevelEnabled ?? true;
  }

  /** `-1`: whatever fits the connection and the window. */
  choose(index) {
    if (!this.#hls) return;
    this.#hls.nextLevel = index;
    this.#changed();
  }

  /** Begins anew where it stands, after a fault. */
  retry() {
    this.#tell("");
    if (this.#hls) this.#again();
    else {
      this.#load(this.#media.currentSrc || this.#plain);
      this.#media.play().catch(() => {});
    }
  }

  #again() {
    clearTimeout(this.#timer);
    this.#hls?.startLoad();
  }

  /** hls.js tries again by itself; who waits in front of a film that stands still is told. */
  #pieceMissed() {
    this.#missed += 1;
    if (this.#missed >= 2 && this.#media.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) this.#tell(LOST);
  }

  #networkFailed(code) {
    if (code === 401 || code === 403 || code === 404) {
      this.#tell("This recording is no longer here, or you are no longer logged in. Reload the page, or try again.");
      return;
    }
    this.#tries += 1;
    this.#tell(LOST);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.#tries));
  }

  #mediaFailed() {
    if (this.#hls) return; // It tells itself.
    const code = this.#media.error?.code;
    if (this.#media.currentSrc.endsWith(".m3u8")) this.#toPlain();
    else if (code === MediaError.MEDIA_ERR_NETWORK) this.#tell("The connection was lost while this played. Check it, and try again.");
    else this.#tell("This cannot be played here: it is no longer there, or this browser does not know its format.");
  }

  /** Gives up the pieces and plays the one file. */
  #toPlain() {
    const wasPlaying = !this.#media.paused;
    this.#hls?.destroy();
    this.#hls = null;
    this.#load(this.#plain);
    if (wasPlaying) this.#media.play().catch(() => {});
    this.#changed();
  }

  /** Another source at the same place. */
  #load(url) {
    const media = this.#media;
    const at = media.currentTime;
    media.src = url;
    if (at > 0 && at < lengthOf(media)) media.addEventListener("loadedmetadata", () => (media.currentTime = at), { once: true });
    media.load();
  }

  #changed() {
    this.dispatchEvent(new Event("levels"));
  }

  #tell(words) {
    this.dispatchEvent(new CustomEvent("fault", { detail: words }));
  }
}
