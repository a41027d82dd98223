// Shows colleagues who reads a case and who replies: the browser reports to the server every 15 s,
// and when the user leaves the case.
import { request, requestSource } from "./requests.js";

const PRESENCE_EVERY = 15000; // ms
const source = requestSource();
// here: the case that the server knows this user at, as { id, leaveAddress }; null if none.
const presence = { here: null, timer: 0 };

function isReplying() {
  return [...document.querySelectorAll(".composer textarea[data-draft]")].some((text) => text.value.trim());
}

function tellPresence() {
  const pane = document.getElementById("open");
  if (!pane?.dataset.here || document.hidden) return;
  const values = isReplying() ? { replying: 1 } : {};
  const target = `#present-${pane.dataset.case}`;
  request("POST", pane.dataset.here, { source, target, swap: "outerHTML", values });
}

// A beacon: other requests may not get out while the page goes away.
function tellAbsence() {
  const body = new FormData();
  body.append("csrfmiddlewaretoken", JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"]);
  navigator.sendBeacon(presence.here.leaveAddress, body);
}

export function startPresence(id) {
  if (presence.here && presence.here.id !== id) tellAbsence();
  presence.here = { id, leaveAddress: document.getElementById("open").dataset.left };
  clearInterval(presence.timer);
  presence.timer = setInterval(tellPresence, PRESENCE_EVERY);
  tellPresence();
}

export function endPresence() {
  if (presence.here) tellAbsence();
  presence.here = null;
  clearInterval(presence.timer);
}

document.addEventListener("reply-typed", tellPresence); // from composer.js
window.addEventListener("pagehide", endPresence);
