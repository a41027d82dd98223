// Shows text that is typed before its field exists in a box, with the reason, and keeps it over a
// reload. The box is a real text field with the focus, so letters do not act as shortcuts, and
// backspace, paste, dead keys and input methods work.
import { stayHere } from "./leaving.js";

const template = document.getElementById("typed");
const STORAGE_KEY = `scrm-typed-${document.body.dataset.user}`;
const QUIET = 400; // ms before the user sees the box: most fields come faster

// One entry per box:
//   key, tab   which field the text is for: its shortcut, and the tab of the composer if it is there
//   id         the case, "" for the next one that opens
//   path       instead of these: the page whose first field the text is for
//   isNext     that page or case is still on its way
//   over       the reason why the text stays in its box for good, see the data-… of the template
//   asked, tries, isComposing, box, field   for this page only
export const typedTexts = [];

// For this browser tab, so that a reload or the next page does not lose the text.
export function saveTexts() {
  const kept = typedTexts.map(({ key, tab, id, path, isNext, over, field }) => (
    { key, tab, id, path, isNext, over, text: field.value }
  ));
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(kept));
  } catch { /* full or forbidden: it is on screen */ }
}

export function readSavedTexts() {
  try { return JSON.parse(sessionStorage.getItem(STORAGE_KEY)) || []; } catch { return []; /* not ours */ }
}

export function closeBox(typed) {
  const position = typedTexts.indexOf(typed);
  if (position < 0) return;
  typedTexts.splice(position, 1);
  typed.box.remove();
  saveTexts();
}

export function removeBoxes() {
  for (const { box } of typedTexts.splice(0)) box.remove();
}

// Shows the reason, which names a data-… attribute of the template.
export function explain(typed, reason) {
  const line = typed.box.querySelector("[data-says]");
  const sentence = template.dataset[reason].replace("%s", `#${typed.id}`);
  if (line.textContent !== sentence) line.textContent = sentence; // a screen reader reads it once
  typed.box.dataset.state = reason;
  if (reason !== "waiting") { typed.asked = false; typed.tries = 0; }
  const link = typed.box.querySelector("a");
  link.href = link.dataset.address.replace("0", typed.id);
}

// From now on the text stays in its box until the user copies or discards it.
export function keepInBox(typed, reason) {
  typed.over = reason;
  explain(typed, reason);
  saveTexts();
}

// placeText: moves the text into its field if that is there by now.
export function openBox(facts, text, mayFocus, placeText) {
  const box = template.content.firstElementChild.cloneNode(true);
  const typed = { tries: 0, ...facts, box, field: box.querySelector("textarea") };
  typed.field.value = text;
  typedTexts.push(typed);
  template.after(box);
  listenToField(typed, placeText);
  listenToButtons(typed, placeText);
  if (mayFocus) typed.field.focus({ preventScroll: true });
  setTimeout(() => { if (box.dataset.state === "quiet") explain(typed, "waiting"); }, QUIET);
  saveTexts();
  return typed;
}

function listenToField(typed, placeText) {
  const { box, field } = typed;
  field.addEventListener("input", saveTexts);
  // Moving text in the middle of a composition would break the input method.
  field.addEventListener("compositionstart", () => { typed.isComposing = true; });
  field.addEventListener("compositionend", () => {
    typed.isComposing = false;
    setTimeout(() => placeText(typed));
  });
  field.addEventListener("keydown", (event) => {
    const isHeldShortcut = event.repeat && event.key === typed.key && !field.value;
    if (isHeldShortcut) event.preventDefault();
    if (event.key === "Escape" && !event.isComposing) stopTyping(event, typed);
  });
  box.addEventListener("focusout", ({ relatedTarget }) => {
    if (!field.value && document.hasFocus() && !box.contains(relatedTarget)) closeBox(typed);
  });
}

// Once the box has explained itself, Escape only leaves its field.
function stopTyping(event, typed) {
  if (!["quiet", "waiting"].includes(typed.box.dataset.state)) return;
  event.stopPropagation();
  if (typed.field.value) keepInBox(typed, "stopped");
  else closeBox(typed);
  stayHere();
}

function listenToButtons(typed, placeText) {
  const { box, field } = typed;
  box.querySelector("[data-copy]").addEventListener("click", () => {
    field.select();
    document.execCommand("copy"); // navigator.clipboard does not exist on plain HTTP
  });
  box.querySelector("[data-discard]").addEventListener("click", () => closeBox(typed));
  box.querySelector("[data-again]").addEventListener("click", () => { field.focus(); placeText(typed); });
}
