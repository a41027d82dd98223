// Shows times as "2 hours ago" or "due in 3 h", keeps them up to date, and shows the exact time on
// hover.

const { lang } = document.documentElement;
const relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "long" });
const UNITS = [["day", 86400, "d"], ["hour", 3600, "h"], ["minute", 60, "min"], ["second", 1, "s"]];
const SOON = 4 * 3600; // s before a deadline

function updateTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const seconds = (at - Date.now()) / 1000;
    if (!Number.isNaN(seconds)) describeTime(time, at, seconds);
  }
}

// seconds: from now on; negative in the past.
function describeTime(time, at, seconds) {
  const [unit, size, short] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || UNITS.at(-1);
  const span = `${Math.trunc(Math.abs(seconds) / size)} ${short}`;
  time.title = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
  if ("due" in time.dataset) {
    const exact = exactSpan(Math.abs(seconds));
    time.className = `due ${seconds < 0 ? "late" : seconds < SOON ? "soon" : "far"}`;
    time.textContent = seconds < 0 ? `${exact} overdue` : `due in ${exact}`;
  } else if ("next" in time.dataset && seconds <= 0) {
    time.textContent = "now";
  } else if ("age" in time.dataset) {
    time.textContent = unit === "second" ? "now" : `${span} ago`;
  } else if (time.closest(".said, .event, .calendar")) { // the day stands above them
    time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  } else {
    time.textContent = relative.format(Math.round(seconds / size), unit);
  }
}

// A time in its two largest units, for example "1 h 49 min" or "2 d 3 h"; as on the server.
function exactSpan(seconds) {
  const place = UNITS.findIndex(([, size]) => seconds >= size);
  if (place === -1 || place >= 2) return `${Math.trunc(seconds / (place === 2 ? 60 : 1))} ${place === 2 ? "min" : "s"}`;
  const [[, size, unit], [, part, smaller]] = [UNITS[place], UNITS[place + 1]];
  const rest = Math.trunc((seconds % size) / part);
  return `${Math.trunc(seconds / size)} ${unit}${rest ? ` ${rest} ${smaller}` : ""}`;
}

updateTimes();
document.addEventListener("htmx:afterSwap", updateTimes);
document.addEventListener("htmx:oobAfterSwap", updateTimes);
setInterval(updateTimes, 30000);
