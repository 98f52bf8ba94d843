// Fills a course's address from its title, until someone writes the address by hand.

const LONGEST = 200;

/** Letters without their marks, digits, and single hyphens between them. */
export function slugOf(title) {
  return title
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, LONGEST)
    .replace(/-+$/, "");
}

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
