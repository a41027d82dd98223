// The little that HTML cannot do alone. Every page works without it.
"use strict";

// Times: the server writes the exact time; here it becomes "12 min ago" in the reader's words.
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function sayTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || ["second", 1];
    time.title = new Date(time.dateTime).toLocaleString();
    time.textContent = relative.format(Math.round(seconds / size), unit);
  }
}

document.addEventListener("DOMContentLoaded", () => sayTimes(document));
document.addEventListener("htmx:afterSwap", (event) => sayTimes(event.target.ownerDocument));

// A second click on the same form waits for the first.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
  setTimeout(() => delete event.target.dataset.sent, 3000);
});
