// The keys j and k move through the list of cases, and the row of the open case is marked.
import { mayAct } from "./shortcuts.js";

export function caseRows() {
  return [...document.querySelectorAll("#case-rows > li")];
}

export function openRow() {
  return document.querySelector("#case-rows > li.current");
}

export function focusedRow() {
  return document.activeElement?.closest?.("#case-rows > li") || openRow();
}

export function rowLink(row) {
  return row.querySelector(".who-link");
}

export function focusRow(row) {
  if (!row) return;
  rowLink(row).focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

// id: null where no case is open.
export function markOpenRow(id) {
  for (const row of caseRows()) {
    const isOpen = row.dataset.case === String(id);
    row.classList.toggle("current", isOpen);
    rowLink(row).toggleAttribute("aria-current", isOpen);
  }
}

function moveFocus(step) {
  const all = caseRows();
  const position = all.indexOf(focusedRow());
  focusRow(all[Math.max(0, Math.min(all.length - 1, position < 0 ? 0 : position + step))]);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !mayAct(event) || !["j", "k"].includes(event.key)) return;
  event.preventDefault();
  moveFocus(event.key === "j" ? 1 : -1);
});
