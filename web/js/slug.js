// Fills a course's address from its title, until someone writes the address by hand.

const LONGEST = 200;

/** Letters that are no letter with a mark. */
const SPELLED = { ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ð: "d", þ: "th", ı: "i" };

/** Letters without their marks, digits, and single hyphens between them. */
export function slugOf(title) {
  return title
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[ßæœøłđðþı]/g, (letter) => SPELLED[letter])
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
