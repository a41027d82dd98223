// Scrolls the timeline to the newest message, unless the user has scrolled up.

const NEAR_END = 60; // px
let isAtEnd = true;

function scrollToEnd() {
  const timeline = document.querySelector(".timeline");
  if (timeline) timeline.scrollTop = timeline.scrollHeight;
}

export function showNewest() {
  isAtEnd = true;
  scrollToEnd();
}

// Before the swap: afterwards the new messages have moved the end away.
document.addEventListener("htmx:beforeSwap", ({ target }) => {
  if (!target.classList?.contains("timeline")) return;
  isAtEnd = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR_END;
});
// The composer takes room from the timeline when it grows.
document.addEventListener("htmx:afterSettle", ({ target }) => {
  const changesHeight = target.classList?.contains("timeline") || target.id === "composing";
  if (changesHeight && isAtEnd) scrollToEnd();
});
