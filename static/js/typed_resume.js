// Moves waiting text into its field as soon as the field can exist: when a case or tab has loaded,
// when the connection is back, and on the next page.
// Order: this script is loaded last. drafts.js must restore a draft before text is added to it, and
// open_case.js must request its case again before this script handles "connected".
import { hasPane, shownCase } from "./case_pane.js";
import { followEarlyKeys, spellKeys, takeEarlyKeys } from "./early_keys.js";
import { stayHere } from "./leaving.js";
import { placeAllTexts } from "./typed_fields.js";
import { typeInBox } from "./typeahead.js";
import { explain, readSavedTexts, removeBoxes, typedTexts } from "./typed_text.js";

document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.id !== "composing") return;
  for (const typed of typedTexts) typed.asked = false;
  placeAllTexts();
});
document.addEventListener("case-settled", placeAllTexts);
document.body.addEventListener("connected", placeAllTexts);

function explainFailure({ type, target }) {
  if (!target.closest?.("#composing")) return;
  const reason = type === "htmx:sendError" ? "lost" : "failed";
  for (const typed of typedTexts) if (typed.asked || typed.id === shownCase()) explain(typed, reason);
}
document.addEventListener("htmx:sendError", explainFailure);
document.addEventListener("htmx:responseError", explainFailure);

// Whether this is the page that the text was typed for.
function isForThisPage({ path, id }) {
  return path ? path === location.pathname : hasPane && (!id || id === shownCase());
}

// What was saved when the last page was left, and the keys that were pressed before the scripts came.
function resume(isBack) {
  const saved = readSavedTexts();
  const keys = takeEarlyKeys();
  const last = saved.at(-1);
  const continues = last?.isNext && isForThisPage(last);
  if (continues) last.text += spellKeys(keys);
  for (const { text, ...facts } of saved) {
    // Typed for the next case; after "back" this page shows an earlier one.
    if (isBack && facts.isNext && !facts.path && !facts.id) facts.over = "misplaced";
    if (text || facts.isNext) typeInBox(facts, text, isForThisPage(facts) && !facts.over);
  }
  if (!continues) followEarlyKeys(keys);
  placeAllTexts();
}

document.addEventListener("DOMContentLoaded", () => {
  resume(performance.getEntriesByType("navigation")[0]?.type === "back_forward");
});
// The browser kept this page in memory. Later pages may have taken its text.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  removeBoxes();
  resume(true);
  stayHere();
});
