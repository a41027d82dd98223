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
    return target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  }

  // Who has opened a small form types into it, and never past it.
  const isInPop = (target) => target.closest("details.pop[open]") && !target.matches("summary");

  // Not until all scripts are there, which know what a key leads to.
  function hears(event) {
    if (!on || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return false;
    return !writing(event.target) && !isInPop(event.target) && !scrm.early;
  }
  scrm.mayAct = (event) => hears(event) && !scrm.leaving;

  // Press it, or go into it: a field takes the focus, a disclosure opens on its first field.
  scrm.press = (element) => {
    if (element.matches("[data-writes]")) scrm.typeAheadOnNextPage(element.pathname);
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
    if (event.key === "Escape") scrm.stay();
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
    if (!hears(event)) return;
    if (event.repeat && event.key === held) { event.preventDefault(); return; }
    const two = scrm.leaving ? null : find(`${before} ${event.key}`);
    before = event.key === "g" && !scrm.leaving ? "g" : "";
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

  // Another page is on its way, by its path: until it is there, no key acts on this one. If it
  // does not come, as after a form that only brings a file, this one goes on.
  let leftFor = 0;
  scrm.leave = (path) => {
    clearTimeout(leftFor);
    leftFor = setTimeout(scrm.stay, 10000);
    scrm.leaving = path;
  };
  scrm.stay = () => {
    if (!scrm.leaving) return;
    clearTimeout(leftFor);
    scrm.leaving = "";
    document.dispatchEvent(new CustomEvent("desk-settled"));
  };

  // A link to another page, after everybody else has seen the click. Nobody writes on here.
  function leads(link) {
    const isHere = link.hash && link.pathname === location.pathname && link.search === location.search;
    return link.origin === location.origin && !isHere && !link.matches("[target], [download], [hx-get]");
  }
  window.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (!leads(link)) return;
    scrm.leave(link.pathname);
    const { activeElement } = document;
    if (writing(activeElement) && !activeElement.closest(".typed")) activeElement.blur();
  });

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
    else scrm.leave(new URL(form.getAttribute("action") || "", location).pathname);
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
