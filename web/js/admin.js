// A list of the admin site: choosing all rows of a page, and how many are chosen. Without it each row is chosen by itself.

for (const form of document.querySelectorAll("form[data-choosing]")) {
  const boxes = [...form.querySelectorAll('input[name="id"]')];
  const all = form.querySelector("[data-all]");
  const words = form.querySelector("[data-chosen-words]");
  const everything = form.querySelector("[data-everything]");
  if (!all || !words || boxes.length === 0) continue;
  form.querySelector("[data-all-box]").hidden = false;

  const tell = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    const begun = chosen === 0 ? "Choose some above, then:" : `${chosen} chosen:`;
    words.textContent = everything?.checked ? "All, on every page:" : begun;
  };

  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  form.addEventListener("change", tell);
  tell();
}
