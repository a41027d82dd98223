// Keeps old answers from changing the list: an older answer does not replace a newer row, and does
// not bring a finished case back.

let turn = 0; // counts requests and finished cases, in their order
const turnOfRequest = new WeakMap();
const turnFinished = new Map(); // case → when it left this list

// The query of the list on screen; "shows" is its view where the address names none.
export function listQuery() {
  const { query, view } = document.getElementById("cases").dataset;
  const params = new URLSearchParams(query);
  params.set("shows", view);
  return params;
}

function isOutdated(row, requestTurn) {
  const onScreen = document.getElementById(row.id);
  if (turnFinished.get(row.dataset.case) > requestTurn) return true;
  return row.hasAttribute("hx-swap-oob") && (!onScreen || Number(onScreen.dataset.turn || 0) > requestTurn);
}

// The answer without the rows that have left this list, or that it shows newer already.
export function withoutOldRows(html, xhr) {
  const requestTurn = turnOfRequest.get(xhr);
  const answer = document.createElement("template");
  answer.innerHTML = html;
  for (const element of answer.content.querySelectorAll("#cases, li[data-case]")) {
    if (element.id !== "cases" && isOutdated(element, requestTurn)) element.remove();
    else element.dataset.turn = requestTurn;
  }
  return answer.innerHTML;
}

export function removeFinished(id) {
  turnFinished.set(id, ++turn);
  document.getElementById(`row-${id}`)?.remove();
}

document.addEventListener("htmx:beforeSend", ({ detail: { xhr } }) => turnOfRequest.set(xhr, ++turn));
// The server answers a verb with the row of its case as this list shows it.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  const isForCase = detail.target.id === "open" && document.getElementById("cases");
  if (isForCase) detail.headers["Scrm-List"] = listQuery().toString();
});
document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  if (!["open", "list-news", "cases"].includes(target.id)) return;
  detail.serverResponse = withoutOldRows(detail.serverResponse, detail.xhr);
});
