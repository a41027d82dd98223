// Keys press what carries them: an element with data-key="e". Nothing happens inside text fields.
"use strict";

window.scrm = window.scrm || {};

(() => {
  const on = document.body.dataset.shortcuts === "on";
  let before = "";
  let held = ""; // acted already, and is still down: a shortcut acts once

  // What a closed disclosure holds can be pressed all the same, if its button is there.
  function visible(element) {
    const shut = element.closest("details:not([open])");
    const seen = shut && !element.matches("summary") ? shut : element;
    return seen.checkVisibility() && !element.disabled;
  }

  function writing(target) {
    return target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  }

  // Who has opened a small form types into it, and never past it.
  const isInPop = (target) => target.closest("details.pop[open]") && !target.matches("summary");

  // Press it, or go into it: a field takes the focus, a disclosure opens on its first field.
  scrm.press = (element) => {
    if (element.matches("[data-writes]")) scrm.typeAheadOnNextPage();
    if (element.matches("a[href]:not([hx-get], .back)")) leave();
    if (element.matches("input, textarea, select")) { element.focus(); element.select?.(); return; }
    if (!element.matches("summary")) { element.click(); return; }
    const details = element.parentElement;
    details.open = !details.open;
    if (details.open) details.querySelector("input:not([type=hidden]), select, textarea, button")?.focus();
    else element.focus();
  };

  function find(key) {
    const picked = document.querySelector(".pick input:checked");
    const bulk = picked && document.querySelector(`[data-bulk-key="${CSS.escape(key)}"]`);
    if (bulk && visible(bulk)) return bulk;
    return [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter(visible).pop();
  }

  function close() {
    const open = [...document.querySelectorAll("details.pop[open]")].pop();
    if (!open) return false;
    open.open = false;
    open.querySelector("summary").focus();
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Escape") scrm.leaving = false;
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      if (close()) event.preventDefault();
      else if (writing(event.target)) event.target.blur();
      else if (on) find("Escape")?.click();
      return;
    }
    if (command && event.key.toLowerCase() === "k" && on) {
      event.preventDefault();
      scrm.openDialog(document.getElementById("palette"));
      return;
    }
    if (!on || command || event.altKey || document.querySelector("dialog[open]")) return;
    if (writing(event.target) || scrm.early) return;
    if (isInPop(event.target) && event.key.length === 1) return;
    if (event.repeat && event.key === held) { event.preventDefault(); return; }
    const two = find(`${before} ${event.key}`);
    before = event.key === "g" ? "g" : "";
    if (two || before) { if (two) act(event, () => scrm.press(two)); return; }
    const element = find(event.key);
    if (scrm.typeAhead(event.key, element)) act(event);
    else if (element) act(event, () => scrm.press(element));
  });
  function act(event, press = () => {}) {
    event.preventDefault();
    held = event.key;
    press();
  }
  document.addEventListener("keyup", () => { held = ""; });

  scrm.openDialog = (dialog) => {
    if (!dialog || dialog.open) return;
    dialog.showModal();
    dialog.querySelector("input")?.select();
  };
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) { event.target.closest("details.pop")?.removeAttribute("open"); scrm.openDialog(document.querySelector(opener.dataset.open)); }
    for (const pop of document.querySelectorAll("details.pop[open]")) if (!pop.contains(event.target)) pop.open = false;
    if (event.target.matches("dialog")) event.target.close();
  });

  // Another page is on its way: until it is there, no key acts on this one. A form that only
  // brings a file leaves the page where it is.
  function leave() {
    scrm.leaving = true;
    setTimeout(() => { scrm.leaving = false; }, 10000);
  }
  addEventListener("pageshow", () => { scrm.leaving = false; });

  // An address names only what is asked for.
  function withoutEmpty(form) {
    const empty = [...form.elements].filter((field) => field.name && !field.value && !field.disabled);
    for (const field of empty) field.disabled = true;
    setTimeout(() => { for (const field of empty) field.disabled = false; });
  }

  // A second click on the same plain form waits for the first.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "get") withoutEmpty(form);
    if (form.method === "dialog" || form.hasAttribute("hx-post") || event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    else leave();
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 3000);
  });

  // What just happened goes by itself; an offer that ends counts down.
  const MOST = matchMedia("(max-width: 720px)");
  function tend() {
    const all = document.querySelectorAll("#messages li"); // a pile of them would cover the page
    for (const old of [...all].slice(0, MOST.matches ? -1 : -2)) old.remove();
    for (const item of document.querySelectorAll(".messages li:not([data-tended])")) {
      item.dataset.tended = "1";
      const offer = item.querySelector("[data-expires]");
      let left = offer ? Number(offer.dataset.expires) : item.querySelector("form, a") ? 20 : 6;
      const words = offer?.querySelector("[data-left]");
      const clock = setInterval(() => {
        left -= 1;
        if (words) words.textContent = Math.max(left, 0);
        if (left < 0) { clearInterval(clock); item.remove(); }
      }, 1000);
    }
  }
  document.addEventListener("htmx:afterSettle", tend);
  document.addEventListener("htmx:oobAfterSwap", tend);
  document.addEventListener("htmx:afterRequest", ({ target, detail }) => { if (detail.successful) target.closest?.(".messages li")?.remove(); });
  tend();
})();
