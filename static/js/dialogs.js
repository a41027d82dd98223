// Opens a dialog with any button that names it, and closes small forms with Escape or a click
// outside.

export function openDialog(dialog) {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  dialog.querySelector("input")?.select();
}

export function hasOpenDialog() {
  return Boolean(document.querySelector("dialog[open]"));
}

// Closes the small form that comes last in the page. False if none is open.
export function closeLastPopover() {
  const last = [...document.querySelectorAll("details.pop[open]")].pop();
  if (!last) return false;
  last.open = false;
  last.querySelector("summary").focus();
  return true;
}

document.addEventListener("click", ({ target }) => {
  const opener = target.closest("[data-open]");
  if (opener) {
    target.closest("details.pop")?.removeAttribute("open");
    openDialog(document.querySelector(opener.dataset.open));
  }
  target.closest("[data-closes-menu]")?.closest("details.pop")?.removeAttribute("open");
  for (const popover of document.querySelectorAll("details.pop[open]")) {
    if (!popover.contains(target)) popover.open = false;
  }
  if (target.matches("dialog")) target.close(); // the backdrop: what is inside has its own elements
});
