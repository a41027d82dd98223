// Keeps a copy of typed text in the browser if the server could not save it, for example after a
// lost connection or an expired login, and restores the text in its field.
import { placeCaret } from "./fields.js";

const PREFIX = `scrm-draft:${document.body.dataset.user}:`;
const DRAFTS = "textarea[data-draft]";

const storageKey = (text) => PREFIX + text.dataset.draft;
const serverVersion = (text) => text.form.querySelector("[name=draft_version]")?.value || "0";

// kept: { text, version, place }; version is the server's draft that it was written on top of.
function keep(text) {
  const place = text.form.querySelector("[name=place]:checked")?.value;
  const kept = { text: text.value, version: serverVersion(text), place };
  try {
    localStorage.setItem(storageKey(text), JSON.stringify(kept));
  } catch { /* full or forbidden: the server keeps it */ }
}

function readKept(text) {
  try { return JSON.parse(localStorage.getItem(storageKey(text))); } catch { return null; /* not ours */ }
}

function restoreDrafts() {
  for (const text of document.querySelectorAll(`${DRAFTS}:not([data-restored])`)) {
    text.dataset.restored = "1";
    const kept = readKept(text);
    if (!kept || kept.text === text.value) continue;
    if (kept.version === serverVersion(text)) takeKept(text, kept);
    else offerKept(text, kept);
  }
  focusOpenedFields();
}

function takeKept(text, kept) {
  text.value = kept.text;
  for (const radio of text.form.querySelectorAll("[name=place]")) {
    if (radio.value === kept.place) radio.checked = true;
  }
  text.dispatchEvent(new Event("input", { bubbles: true }));
  htmx.trigger(text, "keep");
}

// The server has a newer draft, from another window: only the user may overwrite it.
function offerKept(text, kept) {
  const line = document.createElement("p");
  line.className = "held";
  line.append(`${text.dataset.other} “${kept.text.slice(0, 200)}” `);
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "plain", textContent: text.dataset.take });
  button.addEventListener("click", () => {
    line.remove();
    takeKept(text, { ...kept, version: serverVersion(text) });
    text.focus();
  });
  line.append(button);
  text.after(line);
  localStorage.removeItem(storageKey(text));
}

// After restoring, so that the caret is behind the restored text.
function focusOpenedFields() {
  for (const place of document.querySelectorAll("[data-autofocus]")) {
    delete place.dataset.autofocus;
    if (document.activeElement.closest("input, textarea, select")) continue; // the user writes there
    const field = place.matches("textarea") ? place : place.querySelector("input");
    field.focus();
    placeCaret(field);
  }
}

document.addEventListener("input", ({ target: text }) => {
  if (!text.matches?.(DRAFTS)) return;
  keep(text);
  const count = text.form.querySelector("[data-count]");
  if (!count) return;
  count.textContent = [...text.value].length; // characters, not UTF-16 units
  for (const unit of count.parentElement.querySelectorAll("[data-of]")) {
    unit.hidden = (unit.dataset.of === "1") !== (count.textContent === "1");
  }
});
// Leaving the field saves it. While the user is asked which of two versions to use, only typing may:
// clicking on the other version would first save this one over it.
document.addEventListener(
  "change",
  (event) => {
    if (event.target.matches?.(DRAFTS) && event.target.form.querySelector("[data-conflict]")) {
      event.stopPropagation();
    }
  },
  { capture: true },
);
document.addEventListener("htmx:afterRequest", ({ target: text, detail }) => {
  if (!detail.successful || !text.matches?.(DRAFTS)) return;
  if (detail.requestConfig.parameters.text === text.value) localStorage.removeItem(storageKey(text));
  else keep(text); // typed since the request, on top of the version that the server has now
});
document.addEventListener("htmx:afterSettle", restoreDrafts);
document.body.addEventListener("connected", () => {
  for (const text of document.querySelectorAll(DRAFTS)) {
    if (localStorage.getItem(storageKey(text))) htmx.trigger(text, "keep");
  }
});
// A text that was sent or emptied is no draft any more.
document.body.addEventListener("draft-gone", ({ detail }) => {
  for (const name of Object.keys(localStorage)) {
    if (name.startsWith(PREFIX + detail.place)) localStorage.removeItem(name);
  }
});
restoreDrafts();
