// Shows the answer to a form even if the form was replaced on the page meanwhile.
import { announceSettled, pane, shownCase } from "./case_pane.js";
import { withoutOldRows } from "./list_versions.js";

// True if there was an answer of any status. connection.js tells the user of a failure.
export function request(verb, address, options) {
  return htmx.ajax(verb, address, options).then(() => true, () => false);
}

// An element that requests of one kind come from: htmx lets the requests of one element wait for one
// another, and keeps only the last of them.
export function requestSource() {
  return document.body.appendChild(Object.assign(document.createElement("div"), { hidden: true }));
}

document.addEventListener("htmx:beforeSend", ({ detail: { elt, xhr } }) => {
  if (!elt.matches("form")) return;
  pane.verbs.add(xhr);
  // One tick later: the listeners of the answer may open another case first.
  xhr.addEventListener("loadend", () => setTimeout(() => {
    pane.verbs.delete(xhr);
    announceSettled();
  }));
});

// htmx drops an answer whose form is gone. Its message and its events count all the same; and if its
// case is still the one that is open, what it shows as well.
function useLateAnswer(event) {
  const { xhr } = event.detail;
  if (event.target.isConnected || xhr.getResponseHeader("HX-Redirect")) return;
  event.preventDefault();
  const html = withoutOldRows(xhr.response, xhr);
  const shown = shownCase();
  const isOpen = !pane.loading && shown && html.includes(`<div id="open" class="open" data-case="${shown}"`);
  htmx.swap(isOpen ? "#open" : "#announce", html, { swapStyle: isOpen ? "outerHTML" : "none" });
  for (const [name, detail] of Object.entries(JSON.parse(xhr.getResponseHeader("HX-Trigger") || "{}"))) {
    htmx.trigger(document.body, name, detail);
  }
}
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.matches("form")) elt.addEventListener("htmx:beforeOnLoad", useLateAnswer, { once: true });
});

// A small form that a user has open and reads or fills in is not replaced under their hands.
document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  if (detail.target.querySelector("details.pop[open]")) detail.shouldSwap = false;
});
