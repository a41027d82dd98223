// Tracks which case the pane beside the list shows and which case is loading, so that keys and
// typed text act on the right case. This file is loaded on every page; most pages have no such
// pane.

export const hasPane = Boolean(document.querySelector("main.inbox"));

// loading: the case that was asked for last, as { id }, until its answer is there; null otherwise.
// verbs: requests of forms whose answers are not there yet; an answer may open another case.
export const pane = { loading: null, verbs: new Set() };

// undefined where no case is shown.
export function shownCase() {
  return hasPane ? document.getElementById("open").dataset.case : undefined;
}

// The case that is shown, or the one that could not be loaded.
export function wantedCase() {
  return shownCase() || document.getElementById("open").dataset.wished;
}

// null if no case is on its way; "" if the answer to a verb decides which one comes.
export function comingCase() {
  if (pane.loading) return pane.loading.id || "";
  return pane.verbs.size ? "" : null;
}

export function caseNumber(address) {
  return address.match(/\/cases\/(\d+)\//)?.[1];
}

// comingCase() has changed: typed_resume.js looks whether typed text has its field now.
export function announceSettled() {
  document.dispatchEvent(new CustomEvent("case-settled"));
}
