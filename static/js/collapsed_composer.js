// The composer is collapsed to one line, to leave room for the messages. It expands when it
// gets the focus, and collapses again when it loses the focus and is empty.

const collapsed = () => document.querySelector("#open .composer.collapsed");
const isEmpty = (composer) => [...composer.querySelectorAll("textarea")].every((text) => !text.value);

function expand() {
  const composer = collapsed();
  if (!composer) return;
  composer.classList.remove("collapsed");
  composer.dataset.collapsible = ""; // this composer may collapse again
  // Above the buttons, which stay at the lower edge.
  if (composer.contains(document.activeElement)) document.activeElement.scrollIntoView({ block: "nearest" });
}

function collapse() {
  const composer = document.querySelector("#open .composer[data-collapsible]");
  if (composer && isEmpty(composer) && !composer.querySelector("details.pop[open]")) composer.classList.add("collapsed");
}

document.addEventListener("focusin", ({ target }) => {
  if (target.closest(".composer.collapsed form")) expand();
});
document.addEventListener("input", ({ target }) => {
  if (target.closest?.(".composer.collapsed")) expand();
});
// Not on "focusout": a click on the free area of the composer must not move its buttons away.
document.addEventListener("pointerdown", ({ target }) => {
  if (!target.closest("#composing, dialog, .messages, .typed")) collapse();
});
document.addEventListener("focusin", ({ target }) => {
  if (!target.closest("#composing, dialog, .messages, .typed")) collapse();
});
// drafts.js may have restored a text of this browser.
document.addEventListener("htmx:afterSettle", () => {
  if (collapsed() && !isEmpty(collapsed())) expand();
});
