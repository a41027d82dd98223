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
