// Moves text from the box of typed text into its field: a tab of the composer, a small form of the
// case, or the first field of the next page. If the field does not appear, the box says why.
import { comingCase, shownCase } from "./case_pane.js";
import { addText, enterField, isTextField } from "./fields.js";
import { nextPath } from "./leaving.js";
import { canBePressed, openSmallForm } from "./small_forms.js";
import { closeBox, keepInBox, explain, saveTexts, typedTexts } from "./typed_text.js";

const FIRST_FIELD = "main textarea, main input:not([type=hidden], [type=checkbox], [type=radio])";
const MOST_TRIES = 3; // requests for one field

export function tabLink(tab) {
  return document.querySelector(`#composing .tabs a[hx-get$="?tab=${tab}"]`);
}

export function composerField() {
  return document.querySelector("#composing #compose-text, #composing [name=why]");
}

export function placeText(typed) {
  if (typed.isComposing || nextPath()) return;
  typed.isNext = false;
  if (typed.over) explain(typed, typed.over);
  else if (typed.path) placeOnPage(typed);
  else if (comingCase() === null) placeInCase(typed); // otherwise "case-settled" follows
}

export function placeAllTexts() {
  for (const typed of [...typedTexts]) placeText(typed);
  saveTexts();
}

function placeOnPage(typed) {
  if (typed.path !== location.pathname) { explain(typed, "misplaced"); return; }
  const field = document.querySelector("main [autofocus]") || document.querySelector(FIRST_FIELD);
  if (field) moveIntoField(typed, field);
  else explain(typed, "fieldless");
}

function placeInCase(typed) {
  const shown = shownCase();
  typed.id ||= shown || "";
  if (!typed.id) explain(typed, "caseless");
  else if (typed.id !== shown) explain(typed, "elsewhere");
  else if (typed.tab) placeInTab(typed);
  else placeInSmallForm(typed);
}

function placeInTab(typed) {
  const composing = document.getElementById("composing");
  const link = tabLink(typed.tab);
  if (!composing || composing.matches(".closed")) explain(typed, "closed");
  else if (composing.matches(".htmx-request")) return; // its answer comes first
  else if (!link) requestField(typed, () => reloadComposer(composing));
  else if (link.ariaCurrent !== "page") requestField(typed, () => link.click());
  else if (composerField()) moveIntoField(typed, composerField());
  else explain(typed, "fieldless");
}

function reloadComposer(composing) {
  const options = { source: composing, target: composing, swap: "outerHTML" };
  return htmx.ajax("GET", composing.getAttribute("hx-get"), options);
}

// One request at a time, and no more than MOST_TRIES for one field: a page that never brings the
// field would otherwise be asked for ever.
function requestField(typed, request) {
  if (typed.asked) return;
  if (typed.tries === MOST_TRIES) { explain(typed, "failed"); return; }
  typed.tries += 1;
  typed.asked = true;
  request()?.catch?.(() => {}); // typed_resume.js hears of failures from htmx
}

function placeInSmallForm(typed) {
  const openers = [...document.querySelectorAll(`#open :is(summary, form)[data-key="${typed.key}"]`)];
  const opener = openers.find(canBePressed);
  if (!opener) { explain(typed, "formless"); return; }
  const field = openSmallForm(opener);
  if (isTextField(field)) moveIntoField(typed, field);
  else if (typed.field.value) keepInBox(typed, "unfit");
  else { field?.focus(); closeBox(typed); }
}

// To the caret of the field. A user who writes elsewhere by now keeps the focus there.
function moveIntoField(typed, field) {
  if (typed.isComposing) return;
  const text = field.matches("textarea") ? typed.field.value : typed.field.value.replace(/\s*\n\s*/g, " ");
  const { activeElement } = document;
  const mayFocus = typed.box.contains(activeElement) || !isTextField(activeElement);
  if (mayFocus) enterField(field);
  // On a new page the field may hold letters already: they were typed later than this text.
  if (!text || addText(field, text, { atStart: Boolean(typed.path) })) { closeBox(typed); return; }
  keepInBox(typed, "unfit");
  if (mayFocus) typed.field.focus();
}
