// The composer is collapsed to one line, to leave room for the messages. It expands when it
// gets the focus, and collapses again when it loses the focus and is empty.

const resting = () => document.querySelector("#open .composer.rest");
const isEmpty = (composer) => [...composer.querySelectorAll("textarea")].every((text) => !text.value);

function grow() {
  const composer = resting();
  if (!composer) return;
  composer.classList.remove("rest");
  composer.dataset.rests = ""; // this composer may rest again
  // Above the buttons, which stay at the lower edge.
  if (composer.contains(document.activeElement)) document.activeElement.scrollIntoView({ block: "nearest" });
}

function rest() {
  const composer = document.querySelector("#open .composer[data-rests]");
  if (composer && isEmpty(composer) && !composer.querySelector("details.pop[open]")) composer.classList.add("rest");
}

document.addEventListener("focusin", ({ target }) => {
  if (target.closest(".composer.rest form")) grow();
});
document.addEventListener("input", ({ target }) => {
  if (target.closest?.(".composer.rest")) grow();
});
// Not on "focusout": a click on the free area of the composer must not move its buttons away.
document.addEventListener("pointerdown", ({ target }) => {
  if (!target.closest("#composing, dialog, .messages, .typed")) rest();
});
document.addEventListener("focusin", ({ target }) => {
  if (!target.closest("#composing, dialog, .messages, .typed")) rest();
});
// drafts.js may have restored a text of this browser.
document.addEventListener("htmx:afterSettle", () => {
  if (resting() && !isEmpty(resting())) grow();
});
