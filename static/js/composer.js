// Inserts saved replies at the cursor, and tells colleagues after the first letters that the user
// is writing a reply.

const SIGNAL_EVERY = 5000; // ms
let lastSignal = 0;

document.addEventListener("click", ({ target }) => {
  const reply = target.closest("[data-insert]");
  if (!reply) return;
  const text = reply.closest("form").querySelector("textarea[data-draft]");
  text.setRangeText(reply.dataset.insert, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
  htmx.trigger(text, "keep");
  reply.closest("details").open = false;
  text.focus();
});

// A text that the rules refuse cannot be sent: the button says so instead of failing when pressed.
const REFUSED = "[data-verdict=refuse]";

function showRefusal(form) {
  const isRefused = Boolean(form.querySelector(`#speaks ${REFUSED}`));
  for (const button of form.querySelectorAll("button.primary, button[name=then]")) {
    button.disabled = isRefused;
    if (isRefused) button.setAttribute("aria-describedby", "speaks");
    else button.removeAttribute("aria-describedby");
  }
}

document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.id === "speaks" && target.closest("form.write")) showRefusal(target.closest("form.write"));
});

// Without an answer to the changed text, only sending it tells.
document.addEventListener("htmx:sendError", ({ target }) => {
  for (const button of target.form?.querySelectorAll?.("button:disabled") || []) button.disabled = false;
});

// presence.js, where it is loaded, tells the server.
document.addEventListener("input", ({ target }) => {
  if (!target.matches?.("textarea[data-draft]") || Date.now() - lastSignal <= SIGNAL_EVERY) return;
  lastSignal = Date.now();
  document.dispatchEvent(new CustomEvent("reply-typed"));
});

// A button that opens a new tab is not for htmx: the browser submits the form itself.
document.addEventListener(
  "submit",
  (event) => {
    if (event.submitter?.formTarget === "_blank") event.stopImmediatePropagation();
  },
  { capture: true },
);
