// A small form unfolds from a button of the page and begins at its first field. Its key is on the
// <summary> of that button, or on one of several forms behind it.

const FIELD = "input:not([type=hidden]), select, textarea, button";

// An element in a closed small form can be pressed all the same, if the button of that form is visible.
export function canBePressed(element) {
  const closed = element.closest("details:not([open])");
  const visible = closed && !element.matches("summary") ? closed : element;
  return visible.checkVisibility() && !element.disabled;
}

// Returns the first field, without focus. opener: the summary or the form.
export function openSmallForm(opener) {
  const details = opener.closest("details");
  details.open = true;
  return (opener.matches("form") ? opener : details).querySelector(FIELD);
}
