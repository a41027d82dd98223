// Rows of the inbox that come with answers. An older answer never takes the place of a newer one,
// and a finished case does not come back with an answer that was asked for before.
"use strict";

window.scrm = window.scrm || {};

if (document.querySelector("main.desk")) scrm.rows = (() => {
  let turn = 0;
  const sent = new WeakMap(); // request → its turn
  const left = new Map(); // case → the turn at which it left this list

  document.addEventListener("htmx:beforeSend", ({ detail: { xhr } }) => sent.set(xhr, ++turn));

  // What the list on screen asks for; "shows" is its view where the address names none.
  function asked() {
    const { query, view } = document.getElementById("cases").dataset;
    const params = new URLSearchParams(query);
    params.set("shows", view);
    return params;
  }

  function isOld(row, asked) {
    const there = document.getElementById(row.id);
    if (left.get(row.dataset.case) > asked) return true;
    return row.hasAttribute("hx-swap-oob") && (!there || Number(there.dataset.turn || 0) > asked);
  }

  // The answer without the rows that have no place in this list, or that it shows newer already.
  function current(html, xhr) {
    const asked = sent.get(xhr);
    const all = document.createElement("template");
    all.innerHTML = html;
    for (const each of all.content.querySelectorAll("#cases, li[data-case]")) {
      if (each.id !== "cases" && isOld(each, asked)) each.remove();
      else each.dataset.turn = asked;
    }
    return all.innerHTML;
  }

  function finish(id) {
    left.set(id, ++turn);
    document.getElementById(`row-${id}`)?.remove();
  }

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const isForCase = detail.target.id === "open" && document.getElementById("cases");
    if (isForCase) detail.headers["Scrm-List"] = asked().toString();
  });
  document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
    if (!["open", "list-news", "cases"].includes(target.id)) return;
    detail.serverResponse = current(detail.serverResponse, detail.xhr);
  });

  return { asked, current, finish };
})();
