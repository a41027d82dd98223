// Writing: kept as one types, sent by Ctrl-Enter, and never lost.
"use strict";

(() => {
  const key = (text) => `scrm-draft:${document.body.dataset.user}:${text.dataset.draft}`;
  const version = (text) => text.form.querySelector("[name=draft_version]")?.value || "0";
  const place = (text) => text.form.querySelector("[name=place]:checked");

  function store(text) {
    const kept = { text: text.value, version: version(text), place: place(text)?.value };
    try { localStorage.setItem(key(text), JSON.stringify(kept)); } catch { /* full or forbidden: the server keeps it */ }
  }

  // The browser keeps what the server could not: a lost connection, an expired login.
  document.addEventListener("input", (event) => {
    const text = event.target;
    if (!text.matches?.("textarea[data-draft]")) return;
    store(text);
    const count = text.form.querySelector("[data-count]");
    if (count) count.textContent = [...text.value].length;
  });
  document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
    if (!detail.successful || !target.matches?.("textarea[data-draft]")) return;
    if (detail.requestConfig.parameters.text === target.value) localStorage.removeItem(key(target));
    else store(target); // what was typed since the server was asked, on top of what it has now
  });
  function restore() {
    for (const text of document.querySelectorAll("textarea[data-draft]:not([data-restored])")) {
      text.dataset.restored = "1";
      let kept = null;
      try { kept = JSON.parse(localStorage.getItem(key(text))); } catch { /* not ours */ }
      if (!kept || kept.text === text.value) continue;
      if (kept.version === version(text)) use(text, kept);
      else offer(text, kept);
    }
    for (const place of document.querySelectorAll("[data-autofocus]")) {
      delete place.dataset.autofocus;
      if (document.activeElement.closest("input, textarea, select")) continue; // one writes there
      const field = place.matches("textarea") ? place : place.querySelector("input");
      field.focus();
      field.setSelectionRange(field.value.length, field.value.length);
    }
  }
  function use(text, kept) {
    text.value = kept.text;
    for (const radio of text.form.querySelectorAll("[name=place]")) radio.checked = radio.value === kept.place || radio.checked;
    text.dispatchEvent(new Event("input", { bubbles: true }));
    htmx.trigger(text, "keep");
  }
  // The server has a newer one, from another window: nothing is overwritten unless one says so.
  function offer(text, kept) {
    const line = document.createElement("p");
    line.className = "held";
    line.append(`${text.dataset.other} “${kept.text.slice(0, 200)}” `);
    const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: text.dataset.take });
    button.addEventListener("click", () => { line.remove(); use(text, { ...kept, version: version(text) }); text.focus(); });
    line.append(button);
    text.after(line);
    localStorage.removeItem(key(text));
  }
  document.addEventListener("htmx:afterSettle", restore);
  restore();

  document.body.addEventListener("connected", () => {
    for (const text of document.querySelectorAll("textarea[data-draft]")) if (localStorage.getItem(key(text))) htmx.trigger(text, "keep");
  });

  // What was wrong with a field is no longer said of what is chosen or typed there now.
  for (const name of ["input", "change"]) document.addEventListener(name, ({ target }) => {
    const place = target.closest("fieldset, .field");
    place?.querySelector(":scope > .errorlist")?.remove();
    target.removeAttribute("aria-invalid");
  });

  // Send; with Shift, send and be done with the case.
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "Enter") return;
    const form = event.target.closest("form");
    if (!form || !event.target.matches("textarea, input")) return;
    event.preventDefault();
    const then = form.querySelector("button[name=then][value=done]");
    form.requestSubmit(event.shiftKey && then ? then : form.querySelector("button.primary"));
  });
  // A sent or emptied text is no draft any more.
  document.body.addEventListener("draft-gone", ({ detail }) => {
    for (const name of Object.keys(localStorage)) if (name.startsWith(`scrm-draft:${document.body.dataset.user}:${detail.place}`)) localStorage.removeItem(name);
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
