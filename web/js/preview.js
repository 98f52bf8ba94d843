// The preview beside a text: what the site makes of it, a moment after the last key.

import { debounce, post } from "./common.js";
import { keepDraft } from "./draft.js";

const WAIT_MS = 350;

for (const area of document.querySelectorAll("textarea[data-preview-url]")) {
  const panel = document.getElementById(area.dataset.preview);
  if (!panel) continue;
  let latest = 0;
  const format = () => area.form.elements[area.dataset.format ?? "format"]?.value ?? "plain";
  const show = async () => {
    latest += 1;
    const mine = latest;
    try {
      const answer = await post(area.dataset.previewUrl, { content: area.value, format: format() });
      const html = await answer.text();
      if (mine !== latest) return;
      // The site has cleaned this HTML; a parsed document runs nothing.
      const parsed = new DOMParser().parseFromString(html, "text/html");
      panel.replaceChildren(...parsed.body.childNodes);
    } catch (error) {
      if (mine !== latest) return;
      const words = document.createElement("p");
      words.className = "preview-words";
      words.textContent = `No preview just now. ${error.message}`;
      panel.replaceChildren(words);
    }
  };
  const soon = debounce(show, WAIT_MS);
  area.addEventListener("input", soon);
  area.form.addEventListener("change", soon);
  keepDraft(area);
  if (area.value !== "") show();
}
