// A key presses the element that names it, for example with data-key="e"; never while the user
// types in a field.
import { closeLastPopover, hasOpenDialog, openDialog } from "./dialogs.js";
import { isInTextField } from "./fields.js";
import { nextPath, stayHere } from "./leaving.js";
import { canBePressed, openSmallForm } from "./small_forms.js";
import { typeAhead, typeAheadOnNextPage } from "./typeahead.js";

const isOn = document.body.dataset.shortcuts === "on";

// prefix: "g" after that key, which begins a shortcut of two keys.
// heldKey: has acted and is still down; a key that is held down acts once.
const keys = { prefix: "", heldKey: "" };

// In an open small form keys do nothing beyond it, until it is sent.
function isInPopover(target) {
  const isSent = target.closest(".htmx-request");
  return target.closest("details.pop[open]") && !target.matches("summary") && !isSent;
}

// Not before early_keys.js has taken over the keys pressed so far: only then it is known where a
// key leads to.
function isShortcut(event) {
  if (!isOn || event.ctrlKey || event.metaKey || event.altKey || hasOpenDialog()) return false;
  return !isInTextField(event.target) && !isInPopover(event.target) && !window.earlyKeys?.pressed;
}

// Whether a key may change something on this page.
export function mayAct(event) {
  return isShortcut(event) && !nextPath();
}

// A field takes the focus, a small form opens at its first field, everything else is clicked.
export function press(element) {
  if (element.matches("[data-writes]")) typeAheadOnNextPage(element.pathname);
  if (element.matches("input, textarea, select")) { openAround(element); focusField(element); }
  else if (element.matches("summary")) toggleSmallForm(element);
  else if (element.matches("form")) openSmallForm(element)?.focus();
  else element.click();
}

// The menu of the bar for several cases may be closed.
function openAround(field) {
  const closed = field.closest("details:not([open])");
  if (closed) closed.open = true;
}

export function focusField(field) {
  field.focus();
  field.select?.();
}

function toggleSmallForm(summary) {
  const details = summary.parentElement;
  if (!details.open) { openSmallForm(summary)?.focus(); return; }
  details.open = false;
  summary.focus();
}

// While cases are selected, keys act on all of them. Otherwise the last element with this key counts.
function elementFor(key) {
  const picked = document.querySelector(".pick input:checked");
  const bulk = picked && document.querySelector(`[data-bulk-key="${CSS.escape(key)}"]`);
  if (bulk && canBePressed(bulk)) return bulk;
  return [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter(canBePressed).pop();
}

function onEscape(event) {
  if (closeLastPopover()) event.preventDefault();
  else if (isInTextField(event.target)) event.target.blur();
  else if (isOn) elementFor("Escape")?.click();
}

function openPalette(event) {
  event.preventDefault();
  openDialog(document.getElementById("palette"));
}

function onShortcut(event) {
  if (event.repeat && event.key === keys.heldKey) { event.preventDefault(); return; }
  const second = nextPath() ? null : elementFor(`${keys.prefix} ${event.key}`);
  keys.prefix = event.key === "g" && !nextPath() ? "g" : "";
  if (second) act(event, () => press(second));
  if (second || keys.prefix) return;
  const element = elementFor(event.key);
  // Before press(): while another case or page comes, the key must not act on this one.
  if (typeAhead(event.key, element)) act(event);
  else if (element) act(event, () => press(element));
}

function act(event, run = () => {}) {
  event.preventDefault();
  keys.heldKey = event.key;
  run();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stayHere();
  if (event.key === "Escape" && !hasOpenDialog()) onEscape(event);
  else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && isOn) openPalette(event);
  else if (isShortcut(event)) onShortcut(event);
});
document.addEventListener("keyup", () => { keys.heldKey = ""; });
