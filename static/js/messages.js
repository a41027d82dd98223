// Messages disappear after some seconds, and a message with an undo counts the seconds down.

const SECONDS = 6;
const SECONDS_WITH_LINK = 20; // time to read it and to press
const phone = matchMedia("(max-width: 720px)");

// A pile of messages would cover the page.
function removeOldMessages() {
  const all = [...document.querySelectorAll("#messages li")];
  for (const old of all.slice(0, phone.matches ? -1 : -2)) old.remove();
}

// A second click sends the same form again, and the same offer comes twice. The first one counts.
function removeRepeatedOffers() {
  const seen = new Set();
  for (const form of document.querySelectorAll("#messages li form")) {
    const fields = [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");
    const offer = JSON.stringify([form.getAttribute("action"), fields]);
    if (seen.has(offer)) form.closest("li").remove();
    seen.add(offer);
  }
}

function startClock(message) {
  message.dataset.tended = "1";
  const offer = message.querySelector("[data-expires]");
  const counter = offer?.querySelector("[data-left]");
  const seconds = message.querySelector("form, a") ? SECONDS_WITH_LINK : SECONDS;
  let left = offer ? Number(offer.dataset.expires) : seconds;
  const clock = setInterval(() => {
    left -= 1;
    if (counter) counter.textContent = Math.max(left, 0);
    if (left < 0) { clearInterval(clock); message.remove(); }
  }, 1000);
}

function tendMessages() {
  removeRepeatedOffers();
  removeOldMessages();
  for (const message of document.querySelectorAll(".messages li:not([data-tended])")) startClock(message);
}

// The list of cases keeps this room free at its end, so that no message covers a row.
const room = new ResizeObserver(([{ target }]) => {
  const height = target.children.length ? target.offsetHeight + 28 : 0;
  document.body.style.setProperty("--messages", `${height}px`);
});
room.observe(document.getElementById("messages"));

document.addEventListener("htmx:afterSettle", tendMessages);
document.addEventListener("htmx:oobAfterSwap", tendMessages);
document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (detail.successful) target.closest?.(".messages li")?.remove(); // its offer was taken
});
tendMessages();
