// + New, made quick. Everything here works without it, by pressing buttons.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const form = $("form[data-keep]");

// Who it was: ↓ goes into the list, Enter takes the first (or the one that is chosen) and goes on.
const search = $("#profile_q");
if (search) {
  const people = $("#people");
  const next = $("textarea[name=text]");
  let stale = false;
  let taking = false;
  const take = () => {
    const one = $("[name=profile]:checked:not([value=''])", people) || $("[name=profile]", people);
    if (one) one.checked = true;
    next.focus();
  };
  $("button[name=search]").remove(); // so that Enter in another field does not look people up
  search.addEventListener("input", () => { stale = true; });
  // What somebody typed before this was here counts too.
  document.addEventListener("DOMContentLoaded", () => {
    if (search.value === search.defaultValue) return;
    stale = true;
    htmx.trigger(search, "search");
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== people) return;
    stale = event.detail.requestConfig.parameters.profile_q !== search.value; // typed on since it was asked
    if (stale) return;
    if (taking) take();
    taking = false;
  });
  search.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      if (stale) taking = true;
      else take();
    } else if (event.key === "ArrowDown" && $("[name=profile]", people)) {
      event.preventDefault();
      const first = $("[name=profile]", people);
      first.checked = true;
      first.focus();
    }
  });
  people.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); next.focus(); }
    if (event.key === "Escape") search.focus();
  });
}

// A page that is left with something typed asks first; another tab of the same form takes it along.
let dirty = false;
if (form) {
  form.addEventListener("input", () => { dirty = true; });
  form.addEventListener("submit", () => { dirty = false; });
  window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    const tab = event.target.closest("a[data-tab]");
    if (!tab || !dirty || !form.matches(".offline")) return;
    event.preventDefault();
    const wanted = Object.assign(document.createElement("input"), { type: "hidden", name: "tab", value: tab.dataset.tab });
    form.append(wanted);
    dirty = false;
    form.submit();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit($("button.primary", form));
  });
}

// A file that is too large is said before it is sent.
document.addEventListener("change", (event) => {
  const { files, dataset } = event.target;
  if (!files || !dataset.largest) return;
  const large = [...files].some((file) => file.size > Number(dataset.largest));
  event.target.setCustomValidity(large ? dataset.tooLarge : "");
  event.target.reportValidity();
});

// The grid: rows are added in place, and what is pasted from a spreadsheet fills them.
const grid = $("table.grid");
if (grid) {
  const body = grid.tBodies[0];
  const most = Number(grid.dataset.most);
  const says = $("[data-grid-says]");
  const say = (text, n) => {
    says.textContent = text.replace("%n", n.toLocaleString()).replace("%most", most);
    says.classList.toggle("hidden", text !== says.dataset.tooMany);
    says.classList.toggle("errors", text === says.dataset.tooMany);
  };
  const addRows = (upTo) => {
    while (body.rows.length < Math.min(upTo, most)) {
      const n = body.rows.length;
      const row = body.rows[0].cloneNode(true);
      row.cells[0].textContent = n + 1;
      for (const wrong of row.querySelectorAll(".errorlist")) wrong.remove();
      for (const cell of row.querySelectorAll("input, textarea")) {
        cell.name = cell.id = cell.name.replace(/\d+$/, n);
        cell.value = cell.defaultValue = "";
        cell.setAttribute("aria-label", cell.getAttribute("aria-label").replace(/\d+$/, n + 1));
        cell.removeAttribute("aria-invalid");
        cell.removeAttribute("aria-describedby");
      }
      body.append(row);
    }
    $("[name=rows]").value = body.rows.length;
    if (body.rows.length >= most) $("button[name=more]")?.remove();
  };
  $("button[name=more]")?.addEventListener("click", (event) => {
    event.preventDefault();
    addRows(body.rows.length + 10);
  });

  // Cells as a spreadsheet copies them: tabs between, quotation marks around line ends.
  const cellsOf = (text) => {
    const rows = [[]];
    for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^\t\r\n]*))(\t|\r?\n|$)/g)) {
      rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
      if (!end) break;
      if (end !== "\t") rows.push([]);
    }
    return rows.filter((row) => row.some((cell) => cell.trim()));
  };
  grid.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text/plain");
    if (!text.includes("\t")) return;
    event.preventDefault();
    const rows = cellsOf(text);
    const from = event.target.closest("tr").sectionRowIndex;
    const column = event.target.closest("td").cellIndex;
    if (from + rows.length > most) { say(says.dataset.tooMany, rows.length); return; }
    addRows(from + rows.length);
    rows.forEach((cells, down) => cells.forEach((cell, right) => {
      const target = body.rows[from + down].cells[column + right]?.querySelector("input, textarea");
      if (target) target.value = target.localName === "input" ? cell.replace(/\s+/g, " ") : cell;
    }));
    dirty = true;
    say(says.dataset.filled, rows.length);
  });
}
