// Opens a small form below its button and puts the cursor into its first field. The key is on the
// <summary> of the button, or on one of several forms in it.

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
