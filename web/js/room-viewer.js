// A picture of a line in full, above the page: closed with Escape, its button or a click beside it, and the focus goes
// back to where it was. Several pictures of one line are looked through.

import { element, icon } from "./common.js";

/** Shows the picture that a link of a line leads to. */
export function view(link) {
  const links = [...link.closest(".pictures").querySelectorAll("a")];
  let place = links.indexOf(link);
  const dialog = element("dialog", "room-viewer panel");
  dialog.setAttribute("aria-label", "Picture");
  const image = element("img");
  const words = element("p", "words");
  words.id = "room-viewer-words";
  const alone = element("a", "icon-button");
  alone.setAttribute("aria-label", "The picture alone");
  alone.append(icon("external-link"));
  const step = (by) => {
    place = (place + by + links.length) % links.length;
    show();
  };
  const head = element("div", "head");
  head.append(words);
  if (links.length > 1) {
    head.append(button("The picture before", "chevron-left", () => step(-1)), button("The next picture", "chevron-right", () => step(1)));
    dialog.addEventListener("keydown", ({ key }) => {
      if (key === "ArrowLeft") step(-1);
      else if (key === "ArrowRight") step(1);
    });
  }
  head.append(alone, button("Close", "x", () => dialog.close()));
  const show = () => {
    const { href, dataset } = links[place];
    const { alt } = links[place].querySelector("img");
    image.src = href;
    image.width = dataset.width || image.width;
    image.height = dataset.height || image.height;
    image.alt = alt;
    words.textContent = links.length > 1 ? `${place + 1} of ${links.length}: ${alt}` : alt;
    alone.href = href;
  };
  show();
  dialog.append(head, image);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    links[place].focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function button(name, drawn, act) {
  const made = element("button", "icon-button");
  made.type = "button";
  made.setAttribute("aria-label", name);
  made.append(icon(drawn));
  made.addEventListener("click", act);
  return made;
}
