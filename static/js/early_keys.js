// Handles the keys that were pressed while the page loaded: the first key that opens a field counts
// as a shortcut, and all later keys are text for that field.
import { hasPane, shownCase } from "./case_pane.js";
import { focusField } from "./shortcuts.js";
import { SMALL_FORM_KEYS, TAB_OF_KEY, TAGS_KEY, typeAheadOnNextPage, typeInBox } from "./typeahead.js";

// From now on keys act at once, see shortcuts.js. Empty when called again.
export function takeEarlyKeys() {
  const early = window.earlyKeys;
  if (!early) return []; // early.js did not load
  document.removeEventListener("keydown", early.record);
  const keys = early.pressed || [];
  early.pressed = null;
  return keys;
}

export function followEarlyKeys(keys) {
  if (document.body.dataset.shortcuts !== "on") return;
  const first = keys.findIndex(leadsToField);
  if (first < 0) return;
  const key = keys[first];
  const text = spellKeys(keys.slice(first + 1));
  if (key === "/") search(text);
  else if (pageLink(key)) followLink(pageLink(key), text);
  else typeInBox({ key, tab: TAB_OF_KEY[key], id: shownCase() || "" }, text);
}

// Without an open case only the tabs and the tags count, as in typeForShownCase() of typeahead.js.
function leadsToField(key) {
  if (key === "/" || pageLink(key)) return true;
  return hasPane && (key in TAB_OF_KEY || (shownCase() ? SMALL_FORM_KEYS : [TAGS_KEY]).includes(key));
}

function pageLink(key) {
  return document.querySelector(`a[data-writes][data-key="${CSS.escape(key)}"]`);
}

function search(text) {
  const field = document.getElementById("find");
  focusField(field);
  if (text) field.value = text.trim();
}

function followLink(link, text) {
  typeAheadOnNextPage(link.pathname, text);
  link.click();
}

export function spellKeys(keys) {
  return keys.reduce((text, key) => {
    if (key === "Backspace") return text.slice(0, -1);
    if (key === "Enter") return `${text}\n`;
    return key.length === 1 ? text + key : text;
  }, "");
}
