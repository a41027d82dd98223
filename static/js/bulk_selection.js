// Select several cases: with the key x, by clicking their boxes, or as a range with Shift.
import { caseRows, focusedRow } from "./case_list.js";
import { mayAct } from "./shortcuts.js";

let lastClicked = null; // where a range with Shift begins

const boxOf = (row) => row.querySelector(".pick input");

export function selectedBoxes() {
  return [...document.querySelectorAll(".pick input:checked")];
}

function showSelection() {
  const count = document.querySelector("[data-picked]");
  if (count) count.textContent = selectedBoxes().length;
  for (const row of caseRows()) row.classList.toggle("picked", boxOf(row).checked);
}

export function clearSelection() {
  for (const box of selectedBoxes()) box.checked = false;
  showSelection();
}

// After a refresh of the rows. ids: a set of the values of their boxes.
export function restoreSelection(ids) {
  for (const box of document.querySelectorAll(".pick input")) if (ids.has(box.value)) box.checked = true;
  showSelection();
}

// The UUID makes a second press of the same button harmless; each new action needs a new one.
export function renewBulkUuid() {
  const uuid = document.querySelector("[data-uuid]");
  if (uuid) uuid.value = crypto.randomUUID?.() || ""; // not there on plain HTTP: the server makes one
}

function selectRange(clicked) {
  const boxes = caseRows().map(boxOf);
  const [first, last] = [boxes.indexOf(lastClicked), boxes.indexOf(clicked)].sort((a, b) => a - b);
  for (const box of boxes.slice(first, last + 1)) box.checked = clicked.checked;
  showSelection();
}

document.addEventListener("change", ({ target }) => {
  if (target.matches(".pick input")) showSelection();
});
document.addEventListener("click", ({ target, shiftKey }) => {
  if (target.matches("[data-unpick]")) clearSelection();
  if (!target.matches(".pick input")) return;
  if (shiftKey && lastClicked) selectRange(target);
  lastClicked = target;
});
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.key !== "x" || !mayAct(event)) return;
  const row = focusedRow();
  const box = row && boxOf(row);
  if (!box) return;
  event.preventDefault();
  box.checked = !box.checked;
  showSelection();
});
// Enter in a field presses the button beside it: the form has one button for each action.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey) return;
  const button = event.target.matches("#bulk .field input") && event.target.closest(".field").querySelector("button");
  if (!button) return;
  event.preventDefault();
  button.click();
});
document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.id === "cases") showSelection();
});
renewBulkUuid();
showSelection();
