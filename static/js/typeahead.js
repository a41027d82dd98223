// Type-ahead. From the key or click that leads to a text field until that field is there, a field
// of this script has the focus and takes what is typed, so that no letter acts as a shortcut.
// Backspace, paste, dead keys and input methods work as in any field. Then the text moves on into
// the field it was meant for. If that one does not come, this one stays and says why.
"use strict";

window.scrm = window.scrm || {};

(() => {
  const template = document.getElementById("typed");
  if (!template) return;
  const TABS = { r: "reply", p: "statement", n: "note", z: "nothing" };
  const DISCLOSURES = "ashl;";
  const CASE = /^\/cases\/(\d+)\/$/;
  const KEPT = `scrm-typed-${document.body.dataset.user}`;
  const SLOW = 400; // ms after which one sees where the text goes meanwhile
  // What is waited for: key and tab of the field, the case ("" is the next one that opens), or the
  // path of the page that has the field; isNext while that page is on its way; over: why nothing is
  // waited for any more. And the box that has the text until then.
  const waiting = [];

  const writes = (element) => element?.matches?.("input:not([type=checkbox], [type=radio]), textarea, select");
  const tabLink = (tab) => document.querySelector(`#composing .tabs a[hx-get$="?tab=${tab}"]`);
  const composerField = () => document.querySelector("#composing #compose-text, #composing [name=why]");

  // Kept for this browser tab, so that a reload or another page does not lose it.
  function save() {
    const kept = waiting.map(({ key, tab, id, path, isNext, over, field }) => ({ key, tab, id, path, isNext, over, text: field.value }));
    try { sessionStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* full or forbidden: it is on screen */ }
  }

  function close(wait) {
    const at = waiting.indexOf(wait);
    if (at < 0) return;
    waiting.splice(at, 1);
    wait.box.remove();
    save();
  }

  function explain(wait, why) {
    const says = wait.box.querySelector("[data-says]");
    const words = template.dataset[why].replace("%s", `#${wait.id}`);
    if (says.textContent !== words) says.textContent = words;
    wait.box.dataset.state = why;
    if (why !== "waiting") { wait.asked = false; wait.tries = 0; }
    const link = wait.box.querySelector("a");
    link.href = link.dataset.address.replace("0", wait.id);
  }

  // The text stays here, and nothing takes it away.
  function end(wait, why) {
    wait.over = why;
    explain(wait, why);
    save();
  }

  function listen(wait) {
    const { box, field } = wait;
    field.addEventListener("input", save);
    field.addEventListener("compositionstart", () => { wait.isComposing = true; });
    field.addEventListener("compositionend", () => { wait.isComposing = false; setTimeout(() => reach(wait)); });
    field.addEventListener("keydown", (event) => {
      if (event.repeat && event.key === wait.key && !field.value) event.preventDefault();
      if (event.key !== "Escape" || event.isComposing || !["quiet", "waiting"].includes(box.dataset.state)) return;
      event.stopPropagation();
      if (field.value) end(wait, "stopped");
      else close(wait);
      scrm.stay();
    });
    box.addEventListener("focusout", ({ relatedTarget }) => {
      if (!field.value && document.hasFocus() && !box.contains(relatedTarget)) close(wait);
    });
    box.querySelector("[data-copy]").addEventListener("click", () => { field.select(); document.execCommand("copy"); });
    box.querySelector("[data-discard]").addEventListener("click", () => close(wait));
    box.querySelector("[data-again]").addEventListener("click", () => { field.focus(); reach(wait); });
  }

  function begin(facts, text = "", mayFocus = true) {
    const box = template.content.firstElementChild.cloneNode(true);
    const wait = { tries: 0, ...facts, box, field: box.querySelector("textarea") };
    wait.field.value = text;
    waiting.push(wait);
    template.after(box);
    listen(wait);
    if (mayFocus) wait.field.focus({ preventScroll: true });
    setTimeout(() => { if (box.dataset.state === "quiet") explain(wait, "waiting"); }, SLOW);
    save();
    return wait;
  }

  // To the end of what stands there, unless the caret was put elsewhere before.
  function enter(field) {
    const isNew = !field.selectionEnd;
    field.focus();
    if (isNew && field.selectionEnd !== null && field.setSelectionRange) field.setSelectionRange(field.value.length, field.value.length);
  }

  // Into the field, where its caret is. Nobody who writes elsewhere by now is taken away from there.
  function pour(wait, field) {
    if (wait.isComposing) return;
    const text = field.matches("textarea") ? wait.field.value : wait.field.value.replace(/\s*\n\s*/g, " ");
    const { activeElement } = document;
    const isFree = wait.box.contains(activeElement) || !writes(activeElement);
    if (isFree) enter(field);
    if (!text || put(field, text, wait.path)) { close(wait); return; }
    end(wait, "unfit");
    if (isFree) wait.field.focus();
  }

  // False where the field does not take it.
  function put(field, text, isFirst) {
    if (field.matches("select")) return choose(field, text);
    const isPut = field.selectionEnd === null ? append(field, text, isFirst) : insert(field, text, isFirst);
    if (isPut) field.dispatchEvent(new Event("input", { bubbles: true }));
    return isPut;
  }

  function insert(field, text, isFirst) {
    const caret = field.selectionEnd;
    const at = isFirst ? 0 : caret; // before what the new page heard already
    field.setRangeText(text, at, at);
    field.setSelectionRange(caret + text.length, caret + text.length);
    return true;
  }

  // Dates, numbers and e-mail addresses show no script where their caret is.
  function append(field, text, isFirst) {
    const was = field.value;
    const whole = isFirst ? text + was : was + text;
    field.value = whole;
    if (field.value === whole) return true;
    field.value = was;
    return false;
  }

  function choose(select, text) {
    const begin = text.trim().toLowerCase();
    const option = begin && [...select.options].find(({ label }) => label.toLowerCase().startsWith(begin));
    if (!option) return !begin;
    option.selected = true;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  function reachTab(wait) {
    const composing = document.getElementById("composing");
    const link = tabLink(wait.tab);
    if (!composing || composing.matches(".closed")) explain(wait, "closed");
    else if (composing.matches(".htmx-request")) return;
    else if (!link) ask(wait, () => htmx.ajax("GET", composing.getAttribute("hx-get"), { source: composing, target: composing, swap: "outerHTML" }));
    else if (link.ariaCurrent !== "page") ask(wait, () => link.click());
    else if (composerField()) pour(wait, composerField());
    else explain(wait, "fieldless");
  }

  // Once, until an answer came or failed; and no more than three times for one field.
  function ask(wait, request) {
    if (wait.asked) return;
    if (wait.tries === 3) { explain(wait, "failed"); return; }
    wait.tries += 1;
    wait.asked = true;
    request()?.catch?.(() => {}); // what fails is said by the events below
  }

  function reachDisclosure(wait) {
    const opener = [...document.querySelectorAll(`#open summary[data-key="${wait.key}"]`)].find((each) => each.checkVisibility());
    if (!opener) { explain(wait, "formless"); return; }
    opener.parentElement.open = true;
    const field = [...opener.parentElement.querySelectorAll("input:not([type=hidden]), select, textarea, button")][0];
    if (writes(field)) pour(wait, field);
    else if (wait.field.value) end(wait, "unfit");
    else { field?.focus(); close(wait); }
  }

  function reachPage(wait) {
    if (wait.path !== location.pathname) { explain(wait, "misplaced"); return; }
    const field = document.querySelector("main [autofocus]") || document.querySelector("main textarea, main input:not([type=hidden], [type=checkbox], [type=radio])");
    if (field) pour(wait, field);
    else explain(wait, "fieldless");
  }

  function reach(wait) {
    if (wait.isComposing || scrm.leaving) return;
    wait.isNext = false;
    if (wait.over) { explain(wait, wait.over); return; }
    if (wait.path) { reachPage(wait); return; }
    if (scrm.desk && scrm.desk.coming() !== null) return;
    const shown = scrm.desk?.shown();
    wait.id ||= shown || "";
    if (!wait.id) explain(wait, "caseless");
    else if (wait.id !== shown) explain(wait, "elsewhere");
    else if (wait.tab) reachTab(wait);
    else reachDisclosure(wait);
  }

  function reachAll() {
    for (const wait of [...waiting]) reach(wait);
    save();
  }

  // True where the key is dealt with here, and is no shortcut any more. element: what it would press.
  scrm.typeAhead = (key, element) => {
    const coming = scrm.leaving ? scrm.leaving.match(CASE)?.[1] || "" : scrm.desk ? scrm.desk.coming() : null;
    const isTab = key in TABS;
    if (coming !== null) {
      if (isTab || DISCLOSURES.includes(key)) begin({ key, tab: TABS[key], id: coming, isNext: Boolean(scrm.leaving) });
      return key.length === 1 && Boolean(scrm.leaving || isTab || DISCLOSURES.includes(key) || element?.closest("#open, #bulk"));
    }
    if (!scrm.desk || (!isTab && key !== "l")) return false;
    if (isTab ? tabLink(TABS[key]) : document.querySelector('#open summary[data-key="l"]')) return false;
    reach(begin({ key, tab: TABS[key], id: scrm.desk.wished() || "" }));
    return true;
  };
  // The next page has the field.
  scrm.typeAheadOnNextPage = (path, text) => begin({ path, isNext: true }, text);

  // A tab of the composer, by its key or by a click: if its field is there already, nothing is asked for.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('#composing :is(a, button)[hx-get*="tab="]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (link.ariaCurrent === "page" && composerField()) {
      event.preventDefault();
      event.stopPropagation();
      enter(composerField());
      return;
    }
    const tab = new URL(link.getAttribute("hx-get"), location).searchParams.get("tab");
    const id = scrm.desk?.shown() || "";
    if (id && !waiting.some((wait) => wait.asked && wait.id === id && wait.tab === tab)) begin({ key: link.dataset.key, tab, id, asked: true });
  }, true);

  document.addEventListener("htmx:afterSettle", ({ target }) => {
    if (target.id !== "composing") return;
    for (const wait of waiting) wait.asked = false;
    reachAll();
  });
  for (const name of ["htmx:sendError", "htmx:responseError"]) document.addEventListener(name, ({ target }) => {
    if (!target.closest?.("#composing")) return;
    for (const wait of waiting) if (wait.asked || wait.id === scrm.desk?.shown()) explain(wait, name === "htmx:sendError" ? "lost" : "failed");
  });
  document.addEventListener("desk-settled", reachAll);
  document.body.addEventListener("connected", reachAll);

  // On the page that it was typed for.
  const isMeant = ({ path, id }) => (path ? path === location.pathname : Boolean(scrm.desk) && (!id || id === scrm.desk.shown()));

  // What was kept when the last page was left, and the keys that came before this script did.
  function resume(isBack) {
    let kept = [];
    try { kept = JSON.parse(sessionStorage.getItem(KEPT)) || []; } catch { /* not ours */ }
    document.removeEventListener("keydown", scrm.hear);
    const keys = scrm.early || [];
    scrm.early = null;
    const last = kept.at(-1);
    const goesOn = last?.isNext && isMeant(last); // with what the last page heard
    if (goesOn) last.text += spelled(keys);
    for (const { text, ...facts } of kept) {
      if (isBack && facts.isNext && !facts.path && !facts.id) facts.over = "misplaced"; // the next case was not this one
      if (text || facts.isNext) begin(facts, text, isMeant(facts) && !facts.over);
    }
    if (!goesOn) replay(keys);
    reachAll();
  }

  // The first key that leads to a field, and what was typed into it.
  function replay(keys) {
    if (document.body.dataset.shortcuts !== "on") return;
    const shown = scrm.desk?.shown();
    const leads = (key) => key === "/" || linkTo(key) || (scrm.desk && (key in TABS || (shown ? DISCLOSURES : "l").includes(key)));
    const at = keys.findIndex(leads);
    if (at < 0) return;
    const [key, text] = [keys[at], spelled(keys.slice(at + 1))];
    if (key === "/") search(text);
    else if (linkTo(key)) follow(linkTo(key), text);
    else begin({ key, tab: TABS[key], id: shown || "" }, text);
  }
  const linkTo = (key) => document.querySelector(`a[data-writes][data-key="${CSS.escape(key)}"]`);
  function search(text) {
    const field = document.getElementById("find");
    scrm.press(field);
    if (text) field.value = text.trim();
  }
  function follow(link, text) {
    scrm.typeAheadOnNextPage(link.pathname, text);
    link.click();
  }
  function spelled(keys) {
    return keys.reduce((text, key) => {
      if (key === "Backspace") return text.slice(0, -1);
      if (key === "Enter") return `${text}\n`;
      return key.length === 1 ? text + key : text;
    }, "");
  }
  document.addEventListener("DOMContentLoaded", () => resume(performance.getEntriesByType("navigation")[0]?.type === "back_forward"));
  // Back from the browser's memory: the pages after this one may have taken what it waits with.
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    for (const { box } of waiting.splice(0)) box.remove();
    resume(true);
    scrm.stay();
  });
})();
