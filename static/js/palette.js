// The command palette (Ctrl-K): menu pages appear at once, cases and people come from the server,
// and after some letters the verbs of the open case are offered below them.
import { comingCase } from "./case_pane.js";
import { press } from "./shortcuts.js";
import { canBePressed } from "./small_forms.js";

const dialog = document.getElementById("palette");
const words = document.getElementById("palette-words");
const pages = document.getElementById("palette-pages");
const verbs = document.getElementById("palette-verbs");

function listMatches() {
  const wanted = words.value.trim().toLowerCase();
  listPages(wanted);
  for (const verb of verbs.querySelectorAll("button")) {
    const isWanted = wanted && verb.textContent.toLowerCase().includes(wanted);
    verb.parentElement.hidden = !isWanted || !verbElement(verb.value);
  }
}

// What the verb's key would press. None while another case is on its way, or while cases are
// selected: then the bar below the list has the verbs, for all of them.
function verbElement(name) {
  if (comingCase() !== null || document.querySelector(".pick input:checked")) return undefined;
  const elements = [...document.querySelectorAll(`#open [data-verb="${name}"]`)];
  return elements.find(canBePressed);
}

function listPages(wanted) {
  const links = [...document.querySelectorAll(".menu li > a, .nav-head a.new, .me a")];
  const found = links.filter((link) => !wanted || link.textContent.toLowerCase().includes(wanted));
  pages.replaceChildren(...found.slice(0, wanted ? 6 : 12).map(listItem));
}

function listItem(link) {
  const item = document.createElement("li");
  const copy = document.createElement("a");
  copy.href = link.href;
  copy.className = "button quiet";
  copy.textContent = (link.querySelector(".label") || link).textContent.trim();
  item.append(copy);
  return item;
}

// Up and down go through the choices and back to the words. Enter in the words opens the first link,
// the first choice shown, and never runs a verb: nothing may happen to a case while somebody looks
// for a person.
function onKey(event) {
  const choices = [...dialog.querySelectorAll("a, #palette-verbs li:not([hidden]) button")];
  const at = choices.indexOf(document.activeElement);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    (choices[next] || (next < 0 ? words : choices[0])).focus();
  } else if (event.key === "Escape") {
    event.preventDefault(); // a search field would only clear its words
    dialog.close();
  } else if (event.key === "Enter" && document.activeElement === words) {
    event.preventDefault();
    dialog.querySelector("a")?.click();
  }
}

words.addEventListener("input", listMatches);
words.addEventListener("focus", listMatches); // the page may offer other verbs than the last time
dialog.addEventListener("keydown", onKey);
verbs.addEventListener("click", (event) => {
  const element = verbElement(event.target.closest("button")?.value);
  if (!element) return;
  event.stopPropagation(); // a click outside closes small forms, see dialogs.js
  dialog.close(); // before press(): closing gives the focus back to where it was
  press(element);
});
document.addEventListener("click", ({ target }) => { if (target.closest("#palette a")) dialog.close(); });
