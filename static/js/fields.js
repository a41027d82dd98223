// Inserts text that was typed ahead into any kind of field, as if the user had typed it there.

const FIELDS = "input:not([type=checkbox], [type=radio]), textarea, select";

export function isTextField(element) {
  return Boolean(element?.matches?.(FIELDS));
}

export function isInTextField(target) {
  return Boolean(target.closest?.(`${FIELDS}, [contenteditable]`));
}

// The caret goes to the end of the text, unless the user has put it elsewhere before.
export function enterField(field) {
  const isUntouched = !field.selectionEnd;
  field.focus();
  // selectionEnd is null for dates, numbers and e-mail addresses: they have no caret for scripts.
  if (isUntouched && field.selectionEnd !== null && field.setSelectionRange) placeCaret(field);
}

// Selects a prefilled text that typing should replace; otherwise the caret goes to the end.
export function placeCaret(field) {
  const isReplaceable = "replaceable" in field.dataset && field.value === field.defaultValue;
  const end = field.value.length;
  field.setSelectionRange(isReplaceable ? 0 : end, end);
}

// Adds text in place of the selection (at the caret), or before everything else in the field. False
// where the field refuses it.
export function addText(field, text, { atStart }) {
  if (field.matches("select")) return chooseOption(field, text);
  const add = field.selectionEnd === null ? joinText : insertText;
  const isAdded = add(field, text, atStart);
  if (isAdded) field.dispatchEvent(new Event("input", { bubbles: true }));
  return isAdded;
}

function insertText(field, text, atStart) {
  const { selectionStart, selectionEnd } = field;
  const [from, to] = atStart ? [0, 0] : [selectionStart, selectionEnd];
  field.setRangeText(text, from, to);
  const caret = selectionEnd + text.length - (to - from);
  field.setSelectionRange(caret, caret);
  return true;
}

// For fields without a caret. A date or number field silently drops a value that does not fit.
function joinText(field, text, atStart) {
  const old = field.value;
  const joined = atStart ? text + old : old + text;
  field.value = joined;
  if (field.value === joined) return true;
  field.value = old;
  return false;
}

function chooseOption(select, text) {
  const beginning = text.trim().toLowerCase();
  if (!beginning) return true;
  const option = [...select.options].find(({ label }) => label.toLowerCase().startsWith(beginning));
  if (!option) return false;
  option.selected = true;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}
