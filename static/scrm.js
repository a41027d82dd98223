// The little that HTML cannot do alone. Every page works without it.
"use strict";

// Times: the server writes the exact time; here it becomes "12 min ago" in the reader's words.
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

const SHORT = { day: "d", hour: "h", minute: "m", second: "s" };

function sayTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    if (Number.isNaN(seconds)) continue;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || ["second", 1];
    time.title = new Date(time.dateTime).toLocaleString();
    if ("due" in time.dataset) {
      const left = `${Math.trunc(Math.abs(seconds) / size)} ${SHORT[unit]}`;
      time.classList.toggle("late", seconds < 0);
      time.textContent = seconds < 0 ? `${left} over` : `due ${left}`;
    } else {
      time.textContent = relative.format(Math.round(seconds / size), unit);
    }
  }
}

document.addEventListener("DOMContentLoaded", () => sayTimes(document));
document.addEventListener("htmx:afterSwap", () => sayTimes(document));
setInterval(() => sayTimes(document), 30000);

// A second click on the same form waits for the first.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
  setTimeout(() => delete event.target.dataset.sent, 3000);
});

// An offer that ends by itself, such as Undo, leaves the page when it is over.
function endOffers() {
  for (const offer of document.querySelectorAll("[data-expires]:not([data-ending])")) {
    offer.dataset.ending = "1";
    setTimeout(() => (offer.closest(".messages li") || offer).remove(), offer.dataset.expires * 1000);
  }
}
document.addEventListener("DOMContentLoaded", endOffers);
document.addEventListener("htmx:afterSettle", endOffers);
