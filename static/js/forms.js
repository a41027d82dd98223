// For every form: an error disappears when its field is changed, Ctrl-Enter submits, and a second
// click does not submit again.
import { leaveFor } from "./leaving.js";

for (const name of ["input", "change"]) {
  document.addEventListener(name, ({ target }) => {
    target.closest("fieldset, .field")?.querySelector(":scope > .errorlist")?.remove();
    target.removeAttribute("aria-invalid");
  });
}

// With Shift the case is done as well, where the form has a button for that.
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== "Enter") return;
  const form = event.target.closest("form");
  if (!form || !event.target.matches("textarea, input")) return;
  event.preventDefault();
  const sendAndDone = form.querySelector("button[name=then][value=done]");
  const button = event.shiftKey && sendAndDone ? sendAndDone : form.querySelector("button.primary");
  if (!button?.disabled) form.requestSubmit(button);
});

// Keeps empty parameters out of the address: fields are disabled only while the browser builds it.
function leaveOutEmptyFields(form) {
  const empty = [...form.elements].filter((field) => field.name && !field.value && !field.disabled);
  for (const field of empty) field.disabled = true;
  setTimeout(() => { for (const field of empty) field.disabled = false; });
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "get") leaveOutEmptyFields(form);
  if (form.method === "dialog" || form.hasAttribute("hx-post") || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  else leaveFor(new URL(form.getAttribute("action") || "", location).pathname);
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 3000);
});
