// Keys as people know them from YouTube.

import { seek, stepSpeed, lengthOf } from "./player-parts.js";

/** The recording that keys outside of players go to: the one that played last. */
let latest = null;

/** What a key does. Gives `[whether it does anything, words for the reader]`. */
function act(player, key) {
  const { media, box } = player;
  const at = media.currentTime;
  const louder = (by) => {
    media.volume = Math.min(1, Math.max(0, media.volume + by));
    return `Volume ${Math.round(media.volume * 100)} %`;
  };
  const faster = (by) => {
    stepSpeed(media, by);
    return `${media.playbackRate}×`;
  };
  const actions = {
    k: () => player.toggle(),
    " ": () => player.toggle(),
    j: () => (seek(media, at - 10), "- 10 s"),
    l: () => (seek(media, at + 10), "+ 10 s"),
    arrowleft: () => (seek(media, at - 5), "- 5 s"),
    arrowright: () => (seek(media, at + 5), "+ 5 s"),
    arrowup: () => louder(0.05),
    arrowdown: () => louder(-0.05),
    home: () => seek(media, 0),
    end: () => seek(media, lengthOf(media)),
    m: () => ((media.muted = !media.muted), media.muted ? "Muted" : "Sound on"),
    f: () => box.querySelector(".full")?.click(),
    i: () => box.querySelector(".pip")?.click(),
    c: () => player.showWords(),
    "<": () => faster(-1),
    ">": () => faster(1),
  };
  if (/^[0-9]$/.test(key)) return [true, seek(media, (lengthOf(media) * Number(key)) / 10)];
  const action = actions[key.toLowerCase()];
  return action ? [true, action()] : [false];
}

/** `player`: `{media, box, toggle(), showWords(), note(words)}`. */
export function listenForKeys(player) {
  const { media, box } = player;
  media.addEventListener("play", () => (latest = media));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const inside = box.contains(event.target);
    const on = event.target.closest?.("a, button, input, select, textarea, summary, [contenteditable]");
    if (!inside && (latest !== media || on || document.documentElement.dataset.shortcuts === "off")) return;
    // Outside the player arrows scroll and space pages down; a focused button takes space, a slider its arrows.
    if (!inside && /^( |Arrow.*|Home|End)$/.test(event.key)) return;
    if (event.key === " " && event.target.closest("button")) return;
    if (/^(Arrow|Home|End)/.test(event.key) && event.target.matches(".volume")) return;
    const [done, words] = act(player, event.key);
    if (!done) return;
    event.preventDefault();
    if (words) player.note(words);
  });
}
