// What players are made of: buttons, menus, the time line, the time, the speed, the volume.

import { element, icon, setIcon } from "./common.js";
import { clock } from "./words.js";

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

export function button(label, shape, act, className = "") {
  const made = element("button", className);
  made.type = "button";
  relabel(made, label);
  if (shape) made.append(icon(shape));
  made.addEventListener("click", act);
  return made;
}

export function relabel(made, label) {
  made.setAttribute("aria-label", label);
  made.title = label;
}

/** How long a recording is: what the file says, or what the site knows before the file is read. */
export function lengthOf(media) {
  if (Number.isFinite(media.duration) && media.duration > 0) return media.duration;
  return Number(media.dataset.duration) || 0;
}

export function seek(media, seconds) {
  media.currentTime = Math.min(Math.max(seconds, 0), lengthOf(media) || seconds);
}

export function stepSpeed(media, by) {
  const at = SPEEDS.indexOf(media.playbackRate);
  const next = SPEEDS[(at < 0 ? 2 : at) + by];
  if (next) media.playbackRate = next;
}

/** What a browser remembers of its reader; nothing where it may not. */
export const memory = {
  get(name) {
    try {
      return localStorage.getItem(`lyceum.${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`lyceum.${name}`, value);
    } catch {
      // A browser that keeps nothing forgets it with the page.
    }
  },
};

/**
 * A button that opens a menu of choices. `groups()` gives `{label, options: [{label, checked, act}]}` anew each
 * time; a group's options are radio buttons to readers. Arrows move, Escape closes.
 */
export function menuButton(label, shape, groups, className) {
  const holder = element("div", `menu-holder ${className}`);
  const opener = button(label, shape, () => (list.hidden ? open() : close(true)));
  const list = element("div", "player-menu");
  list.setAttribute("role", "menu");
  list.hidden = true;
  opener.setAttribute("aria-haspopup", "menu");
  opener.setAttribute("aria-expanded", "false");
  holder.append(opener, list);

  const items = () => [...list.querySelectorAll("button")];
  function open() {
    list.replaceChildren(...groups().map(groupOf));
    list.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    (list.querySelector('[aria-checked="true"]') ?? items()[0])?.focus();
  }
  function close(back) {
    if (list.hidden) return;
    list.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    if (back) opener.focus();
  }
  function groupOf({ label: name, options }) {
    const group = element("div");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", name);
    const heading = element("div", "heading", name);
    heading.setAttribute("aria-hidden", "true");
    group.append(heading);
    for (const option of options) {
      const made = element("button", "", option.label);
      made.type = "button";
      made.tabIndex = -1;
      if (option.lang) made.lang = option.lang;
      made.setAttribute("role", option.checked === undefined ? "menuitem" : "menuitemradio");
      if (option.checked !== undefined) made.setAttribute("aria-checked", String(option.checked));
      made.addEventListener("click", () => {
        close(true);
        option.act();
      });
      group.append(made);
    }
    return group;
  }
  list.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (event.key === "Tab") close(false);
    else if (to !== undefined) all[(to + all.length) % all.length].focus();
    event.stopPropagation();
    if (event.key === "Escape" || to !== undefined) event.preventDefault();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!holder.contains(event.target)) close(false);
  });
  return { holder, opener, isOpen: () => !list.hidden };
}

/** A play button that always shows what it would do. */
export function playButton(media, toggle, className) {
  const made = button("Play", "play", toggle, className);
  const show = () => {
    setIcon(made, media.ended ? "rotate-ccw" : media.paused ? "play" : "pause");
    relabel(made, media.ended ? "Play again" : media.paused ? "Play" : "Pause");
  };
  for (const type of ["play", "pause", "ended", "seeked", "emptied"]) media.addEventListener(type, show);
  return made;
}

/**
 * The time line. Its fill is a custom property, since the policy of the site forbids style attributes.
 * `about(seconds)` may add words for readers, such as the chapter.
 */
export function timeLine(media, about = () => "") {
  const track = document.createElement("input");
  track.type = "range";
  track.className = "track";
  track.min = "0";
  track.step = "0.1";
  track.setAttribute("aria-label", "Time line");
  let held = false;
  const percent = (seconds) => `${lengthOf(media) > 0 ? Math.min(100, (seconds / lengthOf(media)) * 100) : 0}%`;
  const show = () => {
    track.max = String(lengthOf(media));
    const now = held ? Number(track.value) : media.currentTime;
    if (!held) track.value = String(now);
    track.style.setProperty("--at", percent(now));
    const more = about(now);
    track.setAttribute("aria-valuetext", `${clock(now)} of ${clock(lengthOf(media))}${more ? `, ${more}` : ""}`);
    track.dispatchEvent(new CustomEvent("moved", { detail: lengthOf(media) > 0 ? now / lengthOf(media) : 0 }));
  };
  for (const type of ["loadedmetadata", "durationchange", "timeupdate", "seeked"]) media.addEventListener(type, show);
  media.addEventListener("progress", () => {
    const { buffered } = media;
    let loaded = 0;
    for (let at = 0; at < buffered.length; at += 1) {
      if (buffered.start(at) <= media.currentTime + 1) loaded = buffered.end(at);
    }
    track.style.setProperty("--loaded", percent(loaded));
  });
  track.addEventListener("input", () => {
    held = true;
    show();
    seek(media, Number(track.value));
  });
  track.addEventListener("change", () => {
    held = false;
    show();
  });
  track.value = "0";
  show();
  return track;
}

/** "6:42 / 14:08". */
export function times(media) {
  const box = element("span", "time");
  const now = element("b", "", "0:00");
  const all = element("span", "", "");
  box.append(now, " ", all);
  const show = () => {
    now.textContent = clock(media.currentTime);
    all.textContent = `/ ${clock(lengthOf(media))}`;
  };
  for (const type of ["timeupdate", "loadedmetadata", "seeked", "durationchange"]) media.addEventListener(type, show);
  show();
  return box;
}

export const speedGroup = (media) => ({
  label: "Speed",
  options: SPEEDS.map((speed) => ({
    label: speed === 1 ? "Normal" : `${speed}×`,
    checked: media.playbackRate === speed,
    act: () => (media.playbackRate = speed),
  })),
});

const SPEED_KEY = "speed";

/** The speed, and a menu of others; the browser remembers it. */
export function speedButton(media) {
  const wanted = Number(memory.get(SPEED_KEY));
  if (SPEEDS.includes(wanted)) media.defaultPlaybackRate = media.playbackRate = wanted;
  const { holder, opener } = menuButton("Speed", "", () => [speedGroup(media)], "speed");
  const show = () => {
    opener.textContent = `${media.playbackRate}×`;
    relabel(opener, `Speed: ${media.playbackRate}×`);
  };
  media.addEventListener("ratechange", () => {
    // A new source begins at the default rate.
    if (media.readyState > 0) media.defaultPlaybackRate = media.playbackRate;
    memory.set(SPEED_KEY, String(media.playbackRate));
    show();
  });
  show();
  return holder;
}

export function volumeControls(video) {
  const mute = button("Mute", "volume-2", () => {
    video.muted = !video.muted;
  }, "mute");
  const slider = document.createElement("input");
  slider.type = "range";
  slider.className = "volume";
  slider.min = "0";
  slider.max = "1";
  slider.step = "0.05";
  slider.setAttribute("aria-label", "Volume");
  slider.addEventListener("input", () => {
    video.volume = Number(slider.value);
    video.muted = false;
  });
  const show = () => {
    const level = video.muted ? 0 : video.volume;
    slider.value = String(level);
    slider.style.setProperty("--at", `${level * 100}%`);
    slider.style.setProperty("--loaded", "0%");
    setIcon(mute, level === 0 ? "volume-x" : "volume-2");
    relabel(mute, level === 0 ? "Sound on (m)" : "Mute (m)");
  };
  video.addEventListener("volumechange", show);
  show();
  return [mute, slider];
}
