// Scrolls the timeline to the newest message, unless the user has scrolled up.

const NEAR_END = 60; // px
let isAtEnd = true;
let height = 0; // of the timeline, in px: where it changes, the scroll position says nothing

const isNearEnd = (list) => list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END;

function scrollToEnd() {
  const timeline = document.querySelector(".timeline");
  if (timeline) timeline.scrollTop = timeline.scrollHeight;
}

// The composer, a banner or the keyboard of a phone takes room from the timeline.
const sizes = new ResizeObserver(([{ target }]) => {
  height = target.clientHeight;
  if (isAtEnd) scrollToEnd();
});

export function showNewest() {
  isAtEnd = true;
  scrollToEnd();
  sizes.disconnect();
  const timeline = document.querySelector(".timeline");
  if (timeline) sizes.observe(timeline);
}

// Before the swap: afterwards the new messages have moved the end away.
document.addEventListener("htmx:beforeSwap", ({ target }) => {
  if (!target.classList?.contains("timeline")) return;
  isAtEnd = isNearEnd(target);
});
document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.classList?.contains("timeline") && isAtEnd) scrollToEnd();
});
document.addEventListener("scroll", ({ target }) => {
  if (!target.classList?.contains("timeline") || target.clientHeight !== height) return;
  isAtEnd = isNearEnd(target);
}, { capture: true });
