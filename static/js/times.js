// Times: the server writes the exact one; here it becomes words, and stays up to date.
"use strict";

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "long" });
const UNITS = [["day", 86400, "d"], ["hour", 3600, "h"], ["minute", 60, "m"], ["second", 1, "s"]];

function sayTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const seconds = (at - Date.now()) / 1000;
    if (Number.isNaN(seconds)) continue;
    const [unit, size, short] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || UNITS[3];
    const span = `${Math.trunc(Math.abs(seconds) / size)} ${short}`;
    time.title = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
    if ("due" in time.dataset) {
      time.className = `due ${seconds < 0 ? "late" : seconds < 4 * 3600 ? "soon" : "far"}`;
      time.textContent = seconds < 0 ? `${span} over` : `due ${span}`;
    } else if ("age" in time.dataset) {
      time.textContent = unit === "second" ? "now" : `${span} old`;
    } else if (time.closest(".said, .event, .calendar")) {
      time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    } else {
      time.textContent = relative.format(Math.round(seconds / size), unit);
    }
  }
}

sayTimes(document);
document.addEventListener("htmx:afterSwap", () => sayTimes(document));
document.addEventListener("htmx:oobAfterSwap", () => sayTimes(document));
setInterval(() => sayTimes(document), 30000);
