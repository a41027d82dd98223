// Lets the user type right after the key or click that opens a text field: text that is typed
// before the field exists is not lost, and does not act as shortcuts.
import { comingCase, hasPane, shownCase, wantedCase } from "./case_pane.js";
import { enterField } from "./fields.js";
import { isPlainClick, nextPath } from "./leaving.js";
import { composerField, placeText, tabLink } from "./typed_fields.js";
import { openBox, typedTexts } from "./typed_text.js";

// The list of shortcuts, which is on every page, says which keys lead to a text field.
const keysWith = (attribute) => [...document.querySelectorAll(`#keys kbd[${attribute}]`)];
export const TAB_OF_KEY = Object.fromEntries(
  keysWith("data-tab").map((kbd) => [kbd.textContent, kbd.dataset.tab]),
);
export const SMALL_FORM_KEYS = keysWith("data-form").map((kbd) => kbd.textContent);
export const TAGS_KEY = keysWith("data-form=tag")[0]?.textContent;
const CASE_PATH = /^\/cases\/(\d+)\/$/;

// facts: see `typedTexts` in typed_text.js.
export function typeInBox(facts, text = "", mayFocus = true) {
  return openBox(facts, text, mayFocus, placeText);
}

export function typeAheadOnNextPage(path, text) {
  typeInBox({ path, isNext: true }, text);
}

// True where the key is dealt with here and must not act as a shortcut. element: what it would press.
export function typeAhead(key, element) {
  const coming = nextPath() ? nextPath().match(CASE_PATH)?.[1] || "" : comingCase();
  return coming === null ? typeForShownCase(key) : typeForComingCase(key, element, coming);
}

// No key may act on the old case, or on the page that is about to go away.
function typeForComingCase(key, element, coming) {
  const leadsToField = key in TAB_OF_KEY || SMALL_FORM_KEYS.includes(key);
  if (leadsToField) typeInBox({ key, tab: TAB_OF_KEY[key], id: coming, isNext: Boolean(nextPath()) });
  return key.length === 1 && Boolean(nextPath() || leadsToField || element?.closest("#open, #bulk"));
}

// Where the case has the tab or the form, the shortcut leads there and nothing has to typed.
function typeForShownCase(key) {
  const isTab = key in TAB_OF_KEY;
  if (!hasPane || (!isTab && key !== TAGS_KEY)) return false;
  const tagsForm = document.querySelector(`#open form[data-key="${TAGS_KEY}"]`);
  if (isTab ? tabLink(TAB_OF_KEY[key]) : tagsForm) return false;
  placeText(typeInBox({ key, tab: TAB_OF_KEY[key], id: wantedCase() || "" }));
  return true;
}

// A tab of the composer, by its key or by a click. While capturing: before htmx asks for a field
// that is there already.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('#composing :is(a, button)[hx-get*="tab="]');
  if (!link || !isPlainClick(event)) return;
  if (link.ariaCurrent === "page" && composerField()) {
    event.preventDefault();
    event.stopPropagation();
    enterField(composerField());
    return;
  }
  const tab = new URL(link.getAttribute("hx-get"), location).searchParams.get("tab");
  const id = shownCase() || "";
  const isWaitedFor = typedTexts.some((typed) => typed.asked && typed.id === id && typed.tab === tab);
  if (id && !isWaitedFor) typeInBox({ key: link.dataset.key, tab, id, asked: true });
}, true);
