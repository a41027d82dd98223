// The page "Targets and hours": dragging the edges of opening hours, and more rows for holidays.

const STEP = 15; // minutes
const DAY = 1440; // minutes
const MIN_LENGTH = 15; // minutes
const DRAG = 3; // pixels: a shorter movement is a click, which changes nothing
const INTERVAL = /^(\d{1,2})(?::(\d{2}))?\s*(?:-|–|to)\s*(\d{1,2})(?::(\d{2}))?$/;

function parseIntervals(text) {
  const parts = text.split(",").map((part) => part.trim().match(INTERVAL));
  if (parts.some((part) => !part)) return null;
  return parts.map(([, hour, minute = 0, toHour, toMinute = 0]) => [
    Number(hour) * 60 + Number(minute), Number(toHour) * 60 + Number(toMinute),
  ]);
}

function formatTime(minutes) {
  return `${String(Math.trunc(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

function formatIntervals(intervals) {
  return intervals.map(([start, end]) => `${formatTime(start)}-${formatTime(end)}`).join(", ");
}

function formatLength(minutes) {
  const [hours, rest] = [Math.trunc(minutes / 60), minutes % 60];
  return [hours ? `${hours} h` : "", rest ? `${rest} min` : ""].filter(Boolean).join(" ");
}

function lengthOf([start, end]) {
  return end > start ? end - start : end - start + DAY;
}

function drawBlock(className, start, width) {
  const block = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ class: className, x: start, width, y: 0, height: 26 })) {
    block.setAttribute(name, value);
  }
  return block;
}

function intervalsOf(day) {
  return parseIntervals(day.querySelector("input").value) || [];
}

// The minute until which a shift of the day before lasts; 0 if there is none.
function restOf(day) {
  const week = [...day.parentElement.querySelectorAll(".day")];
  const before = intervalsOf(week.at(week.indexOf(day) - 1));
  return Math.max(0, ...before.filter(([start, end]) => end <= start).map(([, end]) => end));
}

function drawDay(day) {
  const [intervals, rest] = [intervalsOf(day), restOf(day)];
  const blocks = intervals.map(([start, end]) => drawBlock("open", start, (end > start ? end : DAY) - start));
  if (rest) blocks.unshift(drawBlock("rest", 0, rest));
  day.querySelector(".bar").replaceChildren(...blocks);
  const total = intervals.reduce((sum, interval) => sum + lengthOf(interval), 0);
  const { closed, until } = day.parentElement.dataset;
  const words = rest ? `${until} ${formatTime(rest)}` : closed;
  day.querySelector(".length").textContent = total ? formatLength(total) : words;
}

function drawWeek(day) {
  day.parentElement.querySelectorAll(".day").forEach(drawDay);
}

function minuteAt(bar, event) {
  const box = bar.getBoundingClientRect();
  const minute = ((event.clientX - box.left) / box.width) * DAY;
  return Math.min(Math.max(Math.round(minute / STEP) * STEP, 0), DAY);
}

// The edge that is nearest to the pointer is dragged. An end on the next day is not on this bar.
function nearestEdge(intervals, minute) {
  const edges = intervals.flatMap(([start, end], place) => {
    const edge = { place, side: 0, at: start };
    return end > start ? [edge, { place, side: 1, at: end }] : [edge];
  });
  return edges.sort((a, b) => Math.abs(a.at - minute) - Math.abs(b.at - minute))[0];
}

function moveEdge(intervals, { place, side }, minute) {
  const [start, end] = intervals[place];
  // A start before an end of the next day would turn the night into a part of this day.
  const night = end > start ? 0 : end;
  const lowest = side ? start + MIN_LENGTH : Math.max(intervals[place - 1]?.[1] ?? 0, night);
  const highest = side ? intervals[place + 1]?.[0] ?? DAY : (end > start ? end : DAY) - MIN_LENGTH;
  intervals[place][side] = Math.min(Math.max(minute, lowest), highest);
}

function dragEdges(day) {
  const [bar, input] = [day.querySelector(".bar"), day.querySelector("input")];
  bar.addEventListener("pointerdown", (down) => {
    const intervals = parseIntervals(input.value) || [[9 * 60, 18 * 60]];
    const edge = nearestEdge(intervals, minuteAt(bar, down));
    let moved = false;
    const move = (event) => {
      if (!moved && Math.abs(event.clientX - down.clientX) < DRAG) return;
      moved = true;
      moveEdge(intervals, edge, minuteAt(bar, event));
      input.value = formatIntervals(intervals);
      drawWeek(day);
    };
    bar.setPointerCapture(down.pointerId);
    bar.addEventListener("pointermove", move);
    bar.addEventListener("pointerup", () => {
      bar.removeEventListener("pointermove", move);
      if (moved) input.dispatchEvent(new Event("change", { bubbles: true }));
    }, { once: true });
  });
  input.addEventListener("input", () => drawWeek(day));
}

document.querySelectorAll(".day").forEach(dragEdges);

const add = document.querySelector("[data-add-holiday]");
add.hidden = false;
add.addEventListener("click", () => {
  const rows = document.querySelector(".holidays tbody");
  const row = rows.lastElementChild.cloneNode(true);
  row.querySelectorAll("input, select").forEach((field) => { field.value = ""; });
  rows.append(row);
  row.querySelector("input").focus();
});
