// Updates the list when colleagues or customers change cases: rows on screen are refreshed in
// place, and new cases are announced in a line above the list.
import { clearSelection, renewBulkUuid, restoreSelection, selectedBoxes } from "./bulk_selection.js";
import { caseRows, markOpenRow } from "./case_list.js";
import { pane, shownCase, wantedCase } from "./case_pane.js";
import { listQuery } from "./list_versions.js";
import { loadCase } from "./open_case.js";
import { request, requestSource } from "./requests.js";

const DELAY = 250; // ms in which changes are collected for one request
const listSource = requestSource();
// changed: ids of cases that are not asked for yet; 0 stands for many.
// requested: ids in the request that is on its way; null if none is.
const news = { changed: new Set(), requested: null, timer: 0 };

// Never later than DELAY after the first change: changes that keep coming must not put it off.
function refreshSoon() {
  news.timer ||= setTimeout(refreshRows, DELAY);
}

function addChanged(id) {
  news.changed.add(id);
  refreshSoon();
}

// For an answer that was not shown.
function requestAgain() {
  for (const id of news.requested || []) news.changed.add(id);
  news.requested = null;
}

function newsQuery(list) {
  const shown = caseRows().map((row) => row.dataset.case);
  const isMany = news.changed.has("0") || news.changed.has(0);
  const query = listQuery();
  query.set("heard", list.dataset.heard);
  query.set("shown", shown.join(","));
  query.set("ids", shown.filter((id) => isMany || news.changed.has(id)).join(","));
  query.set("current", shownCase() || "");
  return query;
}

async function refreshRows() {
  news.timer = 0;
  const list = document.getElementById("cases");
  if (!list) return;
  const address = `${list.dataset.news}?${newsQuery(list)}`;
  const requested = new Set(news.changed);
  news.requested = requested;
  news.changed.clear();
  const selected = new Set(selectedBoxes().map((box) => box.value)); // the new rows come unselected
  await request("GET", address, { source: "#list-news", target: "#list-news", swap: "innerHTML" });
  if (news.requested === requested) requestAgain();
  restoreSelection(selected);
  const line = document.querySelector("[data-bar]");
  if (line) document.getElementById("announce").textContent = line.textContent;
}

// A new list takes the place that the rows on their way were for: ask for them again. And other
// links of the old list, whose answers are still on their way, must not replace the new one.
function listReplaced(list, by) {
  for (const link of list.querySelectorAll("[hx-target='#cases']")) {
    if (link !== by) htmx.trigger(link, "htmx:abort");
  }
  requestAgain();
  htmx.trigger("#list-news", "htmx:abort");
  if (news.changed.size) refreshSoon();
}

document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  if (!detail.shouldSwap) return;
  if (target.id === "list-news") news.requested = null;
  if (target.id === "cases") listReplaced(target, detail.requestConfig.elt);
});
// The server does not know which case is beside a new list.
document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.id === "cases") markOpenRow(pane.loading?.id || wantedCase());
});
document.body.addEventListener("live:case", ({ detail }) => addChanged(detail.id));
document.body.addEventListener("live:presence", ({ detail }) => {
  if (document.getElementById(`row-${detail.id}`)) addChanged(detail.id);
});
document.body.addEventListener("connected", () => { if (news.changed.size) refreshSoon(); });

// After an action on several cases, or an undo.
document.body.addEventListener("list-changed", () => {
  clearSelection();
  htmx.trigger(listSource, "htmx:abort");
  request("GET", `/?${listQuery()}`, { source: listSource, target: "#cases", swap: "outerHTML" });
  renewBulkUuid();
  if (shownCase() && !pane.loading) loadCase(location.href);
});
