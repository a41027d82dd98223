// The entries of a list that completes typed words: which of them fit, and which one is chosen.

const entries = (details) => [...details.querySelectorAll("li")];
const fold = (words) => words.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// An entry fits if each typed word begins one of its words.
function fits(entry, query) {
  const words = ` ${fold(entry.textContent).replace(/[\s@.]+/g, " ")}`;
  return fold(query).split(/\s+/).every((part) => words.includes(` ${part}`));
}

// Hides what does not fit. False if nothing fits.
export function filterList(details, query) {
  for (const entry of entries(details)) entry.hidden = !fits(entry, query);
  return entries(details).some((entry) => !entry.hidden);
}

export function chosen(details) {
  return details.querySelector("li:not([hidden])[data-chosen] button");
}

// While the focus stays in the text, a screen reader reads the list as its choices.
export function setRoles(details, isForText) {
  const list = details.querySelector("ul");
  if (isForText) list.setAttribute("role", "listbox");
  else list.removeAttribute("role");
  for (const entry of entries(details)) {
    const button = entry.querySelector("button");
    if (isForText) { entry.setAttribute("role", "option"); button.tabIndex = -1; continue; }
    for (const name of ["role", "aria-selected"]) entry.removeAttribute(name);
    button.removeAttribute("tabindex");
  }
}

// step: 0 keeps the chosen entry, or takes the first.
export function moveChoice(details, step, text) {
  const shown = entries(details).filter((entry) => !entry.hidden);
  const position = Math.max(0, shown.findIndex((entry) => "chosen" in entry.dataset)) + step;
  for (const entry of entries(details)) {
    delete entry.dataset.chosen;
    entry.setAttribute("aria-selected", "false");
  }
  const entry = shown[Math.max(0, Math.min(shown.length - 1, position))];
  entry.dataset.chosen = "";
  entry.setAttribute("aria-selected", "true");
  entry.scrollIntoView({ block: "nearest" });
  details.querySelector("ul").id ||= "completions";
  entry.id ||= `completion-${entries(details).indexOf(entry)}`;
  text.setAttribute("aria-controls", details.querySelector("ul").id);
  text.setAttribute("aria-activedescendant", entry.id);
}
