// The order of modules and contents: by dragging, by buttons, by Alt and the arrow keys. Saved as you go.

import "../lib/sortable.js";
import { announce, post, showFault } from "./common.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const MOVE_MS = 240;

const rowsOf = (list) => [...list.querySelectorAll(":scope > li[data-id]")];
let saving = Promise.resolve();

/** Sends the whole order of a list; if the site does not take it, the rows go back. */
function save(list, before, row) {
  const rows = rowsOf(list);
  const order = JSON.stringify(Object.fromEntries(rows.map((each, index) => [each.dataset.id, index])));
  renumber(list);
  announce(`${row.dataset.name} is now ${rows.indexOf(row) + 1} of ${rows.length}`);
  // One after the other, so that an older order never overtakes a newer one.
  saving = saving.then(() => post(list.dataset.orderUrl, order)).catch((error) => {
    list.append(...before);
    renumber(list);
    showFault(`The new order is not saved. ${error.message}`);
  });
}

function renumber(list) {
  for (const [index, row] of rowsOf(list).entries()) {
    const number = row.querySelector(":scope > .module-head .number");
    if (number) number.textContent = String(index + 1);
  }
}

/** Moves a row up or down by one and keeps the focus where it was. */
function move(row, direction) {
  const list = row.parentElement;
  const before = rowsOf(list);
  const neighbor = before[before.indexOf(row) + (direction === "up" ? -1 : 1)];
  if (!neighbor) {
    announce(`${row.dataset.name} is already ${direction === "up" ? "first" : "last"}`);
    return;
  }
  const focused = document.activeElement;
  if (direction === "up") neighbor.before(row);
  else neighbor.after(row);
  if (row.contains(focused)) focused.focus();
  save(list, before, row);
}

function startList(list) {
  let before = [];
  window.Sortable.create(list, {
    draggable: "li[data-id]",
    handle: ".grip",
    animation: calm.matches ? 0 : MOVE_MS,
    onStart: () => {
      before = rowsOf(list);
    },
    onEnd: ({ item, oldIndex, newIndex }) => {
      if (oldIndex !== newIndex) save(list, before, item);
    },
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-move]");
  const row = button?.closest("li[data-id]");
  if (!row?.parentElement.dataset.orderUrl) return;
  event.preventDefault();
  const menu = button.closest("details.menu");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  move(row, button.dataset.move);
});

document.addEventListener("keydown", (event) => {
  if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
  const row = document.activeElement?.closest?.("[data-order-url] > li[data-id]");
  if (!row) return;
  event.preventDefault();
  move(row, event.key === "ArrowUp" ? "up" : "down");
});

for (const list of document.querySelectorAll("[data-order-url]")) startList(list);
