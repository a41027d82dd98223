// Opens a case beside the list without reloading the list; if the case cannot be loaded, the pane
// says so.
import { announceSettled, caseNumber, pane, shownCase } from "./case_pane.js";
import { focusRow, markOpenRow, openRow, rowLink } from "./case_list.js";
import { isPlainClick, leaveFor } from "./leaving.js";
import { endPresence, startPresence } from "./presence.js";
import { request, requestSource } from "./requests.js";
import { showNewest } from "./timeline.js";

const source = requestSource();
const paneElement = () => document.getElementById("open");

// True once the pane shows the case; false if another one was asked for since, or it did not come.
export async function loadCase(address) {
  const turn = { id: caseNumber(address) };
  pane.loading = turn;
  htmx.trigger(source, "htmx:abort"); // of two cases that are asked for, the later one is shown
  const isAnswered = await request("GET", address, { source, target: "#open", swap: "outerHTML" });
  if (turn !== pane.loading) return false;
  pane.loading = null;
  const isShown = shownCase() === turn.id;
  if (!isShown) showUnloaded(address, isAnswered ? "refused" : "lost");
  announceSettled();
  return isShown;
}

// In place of the case before, which would look as if it were the one that could not be loaded.
// reason: names a data-… attribute of the template.
function showUnloaded(address, reason) {
  const unloaded = document.getElementById("unloaded").content.firstElementChild.cloneNode(true);
  unloaded.dataset.wished = caseNumber(address) || "";
  unloaded.querySelector("a").href = address;
  unloaded.querySelector("[data-why]").textContent = unloaded.dataset[reason];
  endPresence();
  paneElement().replaceWith(unloaded);
  caseShown();
}

async function openCase(address) {
  if (await loadCase(address)) history.pushState({ htmx: true }, "", address);
}

export function openCaseOfRow(row) {
  markOpenRow(row.dataset.case);
  openCase(rowLink(row).href);
}

// For everything that depends on which case the pane shows. Also called where it shows none.
function caseShown() {
  const id = paneElement()?.dataset.case;
  document.querySelector("main.inbox").classList.toggle("has-case", Boolean(id));
  document.body.classList.toggle("in-case", Boolean(id));
  if (!id) return;
  document.title = `#${id} ${document.querySelector(".case-title h1")?.textContent || ""} · scrm`;
  showNewest();
  startPresence(id);
}

export function closeCase(listAddress) {
  endPresence();
  markOpenRow(null);
  const empty = document.createElement("div");
  paneElement().replaceWith(Object.assign(empty, { id: "open", className: "open nothing" }));
  caseShown();
  history.pushState({ htmx: true }, "", listAddress);
}

document.addEventListener("htmx:afterSettle", ({ target }) => { if (target.id === "open") caseShown(); });
window.addEventListener("pageshow", ({ persisted }) => { if (persisted) caseShown(); });

// Until the next case is there, the answer to a verb on the last one changes its row, but opens
// nothing. Where the same case is only loaded again, the answer to the verb is the newer one.
document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  if (target.id !== "open" || !pane.loading || detail.requestConfig.elt === source) return;
  if (pane.loading.id === shownCase() && detail.swapOverride !== "none") htmx.trigger(source, "htmx:abort");
  else detail.swapOverride = "none";
});

document.body.addEventListener("connected", () => {
  const unloaded = document.querySelector("#open[data-wished] a");
  if (unloaded) openCase(unloaded.href);
});

// "Back" on a phone, where only one of list and case has room.
document.addEventListener("click", (event) => {
  const back = event.target.closest(".case-title .back");
  if (!back || !isPlainClick(event)) return;
  event.preventDefault();
  const row = openRow();
  closeCase(back.href);
  focusRow(row);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#case-rows .who-link");
  if (!link || !isPlainClick(event)) return;
  event.preventDefault();
  openCaseOfRow(link.closest("li"));
});

// After an undo: to the case whose text or state came back, beside the same list.
document.body.addEventListener("case-back", ({ detail }) => {
  if (!detail.href) return;
  const address = detail.href + document.getElementById("cases").dataset.query;
  markOpenRow(caseNumber(address));
  openCase(address);
});

// Back and forward of the browser.
window.addEventListener("popstate", () => {
  leaveFor(location.pathname);
  location.reload();
});

caseShown();
openRow()?.scrollIntoView({ block: "nearest" });
