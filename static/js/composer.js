// Writing: kept as one types, sent by Ctrl-Enter, and never lost.
"use strict";

(() => {
  const key = (text) => `scrm-draft:${text.dataset.draft}`;

  // The browser keeps what the server could not: a lost connection, an expired login.
  document.addEventListener("input", (event) => {
    const text = event.target;
    if (!text.matches?.("textarea[data-draft]")) return;
    try { localStorage.setItem(key(text), text.value); } catch { /* full or forbidden: the server keeps it */ }
    const count = text.form.querySelector("[data-count]");
    if (count) count.textContent = [...text.value].length;
  });
  document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
    if (detail.successful && target.matches?.("textarea[data-draft]")) localStorage.removeItem(key(target));
  });
  function restore() {
    for (const text of document.querySelectorAll("textarea[data-draft]:not([data-restored])")) {
      text.dataset.restored = "1";
      const kept = localStorage.getItem(key(text));
      if (kept && kept !== text.value) {
        text.value = kept;
        text.dispatchEvent(new Event("input", { bubbles: true }));
        htmx.trigger(text, "keep");
      }
    }
    for (const place of document.querySelectorAll("[data-autofocus]")) {
      delete place.dataset.autofocus;
      const field = place.matches("textarea") ? place : place.querySelector("input");
      field.focus();
      field.setSelectionRange(field.value.length, field.value.length);
    }
  }
  document.addEventListener("htmx:afterSettle", restore);
  restore();

  // Send; with Shift, send and be done with the case.
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "Enter") return;
    const form = event.target.closest("form");
    if (!form || !event.target.matches("textarea, input")) return;
    event.preventDefault();
    const then = form.querySelector("button[name=then][value=done]");
    form.requestSubmit(event.shiftKey && then ? then : form.querySelector("button.primary"));
  });
  // In a text, Escape leaves it, so that keys act again.

  // A sent or emptied text is no draft any more.
  document.body.addEventListener("draft-gone", ({ detail }) => {
    for (const name of Object.keys(localStorage)) if (name.startsWith(`scrm-draft:${detail.place}`)) localStorage.removeItem(name);
  });

  // A saved reply goes in where the cursor stands.
  document.addEventListener("click", (event) => {
    const reply = event.target.closest("[data-insert]");
    if (!reply) return;
    const text = reply.closest("form").querySelector("textarea[data-draft]");
    text.setRangeText(reply.dataset.insert, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
    htmx.trigger(text, "keep");
    reply.closest("details").open = false;
    text.focus();
  });

  // The first letters one types say that one is replying.
  let said = 0;
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("textarea[data-draft]") && Date.now() - said > 5000) { said = Date.now(); scrm.beat?.(); }
  });
})();
