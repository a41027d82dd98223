// After a click on a link or a form, keys no longer act on the old page.
import { announceSettled } from "./case_pane.js";
import { isInTextField } from "./fields.js";

const LONGEST_WAIT = 10000; // ms

// path: of the page that is on its way, "" if none is.
const departure = { path: "", timer: 0 };

export function nextPath() {
  return departure.path;
}

// If the next page does not come, as after a form that only brings a file, this one goes on.
export function leaveFor(path) {
  clearTimeout(departure.timer);
  departure.timer = setTimeout(stayHere, LONGEST_WAIT);
  departure.path = path;
}

export function stayHere() {
  if (!departure.path) return;
  clearTimeout(departure.timer);
  departure.path = "";
  announceSettled();
}

// With a modifier or another button the browser opens a new tab, or a menu.
export function isPlainClick(event) {
  return !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
}

function leadsToAnotherPage(link) {
  const isHere = link.hash && link.pathname === location.pathname && link.search === location.search;
  return link.origin === location.origin && !isHere && !link.matches("[target], [download], [hx-get]");
}

// On window, not document: all other listeners have run and may have prevented the default.
window.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.altKey || !isPlainClick(event)) return;
  if (!leadsToAnotherPage(link)) return;
  leaveFor(link.pathname);
  const { activeElement } = document;
  // Text typed from now on is for the next page; a box of typed text moves there with its text.
  if (isInTextField(activeElement) && !activeElement.closest(".typed")) activeElement.blur();
});
