// Fills a course's address from its title, until someone writes the address by hand.

import { slugOf } from "./words.js";

for (const slug of document.querySelectorAll("input[data-slug-from]")) {
  const title = document.getElementById(slug.dataset.slugFrom);
  if (!title || (slug.value !== "" && slug.value !== slugOf(title.value))) continue;
  // An address that is in use already stays: people have its link.
  if (slug.value !== "" && !slug.hasAttribute("aria-invalid")) continue;
  let touched = false;
  slug.addEventListener("input", () => {
    touched = slug.value !== "";
  });
  title.addEventListener("input", () => {
    if (!touched) slug.value = slugOf(title.value);
  });
}
