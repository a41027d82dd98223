// “Done” with unanswered messages: a number key chooses the reason for the next message that has
// none, and the last choice submits the form. With Shift, the reason is for all messages.
import { isInTextField } from "./fields.js";

function fieldsets(form) {
  return [...form.querySelectorAll("fieldset:not([data-every])")];
}

const isUndecided = (fieldset) => !fieldset.querySelector("input:checked");

function nextUndecided(form) {
  return fieldsets(form).find(isUndecided);
}

function choose(fieldset, digit) {
  const radio = fieldset?.querySelectorAll("input[type=radio]")[digit - 1];
  if (!radio) return false;
  radio.checked = true;
  radio.focus();
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

function decide(box, digit, isForAll) {
  const every = box.querySelector("[data-every]");
  const isChosen = choose(isForAll && every ? every : nextUndecided(box) ?? every, digit);
  if (!isChosen) return;
  const next = nextUndecided(box);
  const isComplete = !next || every?.querySelector("input:checked");
  // A click, because htmx sends the name and value only of a button that was clicked.
  if (isComplete) box.parentElement.querySelector("button[data-decides], button.primary").click();
  else next.querySelector("input").focus();
}

// The bar for selected cases stays on the page: the next action must not begin with this reason.
document.addEventListener("htmx:afterRequest", ({ target }) => {
  if (target.id !== "bulk") return;
  for (const radio of target.querySelectorAll("[data-decide] input:checked")) radio.checked = false;
});

// event.code: with Shift, event.key is the character above the digit.
document.addEventListener("keydown", (event) => {
  const digit = Number(/^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1]);
  if (!digit || event.ctrlKey || event.metaKey || event.altKey || isInTextField(event.target)) return;
  // After an answer of the server, the focus may be outside of the form.
  const box = (event.target.closest("details.pop[open]") ?? document.querySelector("#open details.pop[open]"))
    ?.querySelector("[data-decide]");
  if (!box) return;
  event.preventDefault();
  decide(box, digit, event.shiftKey);
});
