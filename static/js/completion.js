// Opens a list above the composer: saved replies and names of colleagues. A list that names a sign,
// for example data-completes="@", also opens while the user types a word that begins with the sign.
// The focus then stays in the text: arrows move, Enter or Tab takes, Escape closes.
import { chosen, filterList, moveChoice, setRoles } from "./completion_list.js";

const LONGEST_QUERY = 40;
// typed: what is completed, as { details, text, from }; null if no list is open for typed text.
const state = { typed: null };

// In sight above the composer, which would cut it off; on a small screen at the top edge.
function placeAbove(details) {
  const composer = details.closest(".composer, .card");
  if (!composer) return;
  const { left, right, top } = composer.getBoundingClientRect();
  const room = Math.max(top, 200);
  details.style.setProperty("--left", `${Math.max(left, 8)}px`);
  details.style.setProperty("--right", `${Math.max(document.documentElement.clientWidth - right, 8)}px`);
  details.style.setProperty("--bottom", `${Math.min(innerHeight - top + 4, innerHeight - room + 4)}px`);
  details.style.setProperty("--room", `${room - 12}px`);
}

// The word before the caret, as { sign, query, from }; undefined if no list is for it.
function wordAtCaret(text) {
  if (text.selectionStart !== text.selectionEnd) return undefined;
  const before = text.value.slice(0, text.selectionEnd);
  for (const details of text.form.querySelectorAll("details[data-completes]")) {
    const from = before.lastIndexOf(details.dataset.completes);
    const query = before.slice(from + 1);
    const isWord = from >= 0 && (from === 0 || /[\s(]/.test(before[from - 1]));
    if (isWord && query.length <= LONGEST_QUERY && !/^\s|\n/.test(query)) return { details, query, from };
  }
  return undefined;
}

function close() {
  if (!state.typed) return;
  const { details, text } = state.typed;
  state.typed = null;
  details.open = false;
  text.removeAttribute("aria-activedescendant");
  text.removeAttribute("aria-controls");
  filterList(details, "");
  setRoles(details, false);
  for (const entry of details.querySelectorAll("[data-chosen]")) delete entry.dataset.chosen;
}

function complete(text) {
  const word = wordAtCaret(text);
  const isFound = word && filterList(word.details, word.query);
  if (!isFound) { close(); return; }
  if (state.typed && state.typed.details !== word.details) close();
  state.typed = { details: word.details, text, from: word.from };
  placeAbove(word.details);
  setRoles(word.details, true);
  word.details.open = true;
  moveChoice(word.details, 0, text);
}

// composer.js inserts in place of the selection: the sign and the letters after it.
function take(button) {
  const { text, from } = state.typed;
  text.setSelectionRange(from, text.selectionEnd);
  button.click();
}

function onKey(event) {
  const { details, text } = state.typed;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") moveChoice(details, event.key === "ArrowDown" ? 1 : -1, text);
  else if (event.key === "Escape") close();
  else if (chosen(details)) take(chosen(details));
  event.preventDefault();
  event.stopImmediatePropagation();
}

const KEYS = ["ArrowDown", "ArrowUp", "Escape", "Enter", "Tab"];
document.addEventListener("keydown", (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey && !event.isComposing;
  if (state.typed?.details.open && event.target === state.typed.text && isPlain && KEYS.includes(event.key)) onKey(event);
}, { capture: true });
document.addEventListener("input", ({ target, isComposing }) => {
  if (!isComposing && target.matches?.("textarea[data-draft]")) complete(target);
});
document.addEventListener("click", ({ target }) => {
  const summary = target.closest?.("details[data-completes] > summary");
  if (summary) { close(); placeAbove(summary.parentElement); }
}, { capture: true });
document.addEventListener("focusin", ({ target }) => {
  if (state.typed && target !== state.typed.text && !state.typed.details.contains(target)) close();
});
// Opened by its key or button, the list has the focus itself.
document.addEventListener("keydown", (event) => {
  const list = event.target.closest?.("details[data-completes] > ul");
  if (!list || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  event.preventDefault();
  const buttons = [...list.querySelectorAll("li:not([hidden]) button")];
  const next = buttons.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
  buttons[Math.max(0, Math.min(buttons.length - 1, next))].focus();
});
document.addEventListener("toggle", ({ target }) => {
  if (target.matches?.("details[data-completes]") && target.open) placeAbove(target);
}, { capture: true });
