// The card of a file on its way, in the outline; loaded with the first file.

import { announce, element, icon } from "./common.js";
import { redraw, setState } from "./teach-live.js";
import { size } from "./words.js";

const KIND_ICONS = { video: "video", audio: "audio-lines", image: "image", file: "file-text" };

/** A card for a file that is not at the site yet. */
export function makeCard(file, kind) {
  const row = element("li", "file-card");
  const thumb = element("span", "thumb");
  thumb.append(icon(KIND_ICONS[kind]));
  const name = element("div", "name");
  name.append(element("strong", "", file.name), " ", element("span", "meta", size(file.size)));
  const state = element("span", "state");
  state.append(icon("hourglass"), element("span", "words"));
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.setAttribute("aria-label", `Progress of ${file.name}`);
  const status = element("div", "status");
  status.append(state, bar);
  const about = element("div", "about");
  about.append(name, status);
  const actions = element("div", "do");
  const card = { row, onCancel: () => {}, onRetry: () => {}, onPause: () => {}, onResume: () => {} };
  const button = (words, shape, act) => {
    const made = element("button", "button", "");
    made.type = "button";
    made.append(icon(shape), words);
    made.setAttribute("aria-label", `${words}: ${file.name}`);
    made.addEventListener("click", act);
    return made;
  };
  const cancel = button("Cancel", "x", () => card.onCancel());
  cancel.classList.add("ghost");
  const retry = button("Try again", "rotate-cw", () => {
    retry.remove();
    card.onRetry();
  });
  const offers = { pause: button("Pause", "pause", () => card.onPause()), resume: button("Resume", "play", () => card.onResume()) };
  actions.append(cancel);
  // Pause while it is on its way, Resume while it is paused; the focus stays with them.
  card.offer = (what) => {
    const hadFocus = Object.values(offers).includes(document.activeElement);
    for (const other of Object.values(offers)) other.remove();
    if (!offers[what]) return;
    actions.prepend(offers[what]);
    if (hadFocus) offers[what].focus();
  };
  card.fail = (reason) => {
    setState(row, { state: "failed", words: `Failed: ${reason}` });
    actions.prepend(retry);
    announce(`${file.name} failed: ${reason}`);
  };
  card.arrived = (answer) => {
    cancel.remove();
    // It is told of from now on, also where the page cannot be drawn again just now.
    if (answer.upload) row.dataset.uploadId = answer.upload;
    setState(row, { state: answer.state ?? "waiting", revision: answer.revision, words: answer.words ?? answer.message ?? "Upload complete!" });
    return redraw(row, `.file-card[data-id="${Number(answer.content)}"]`);
  };
  row.append(element("span", "grip hollow"), thumb, about, actions, element("div", "tools"));
  return card;
}
