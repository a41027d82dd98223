// Cells that are pasted from a spreadsheet fill the grid of offline contacts, which adds rows when
// needed.
import { markUnsaved } from "./unsaved_form.js";

const grid = document.querySelector("table.grid");
const body = grid?.tBodies[0];
const mostRows = Number(grid?.dataset.most);

function showResult(sentence, count) {
  const line = document.querySelector("[data-grid-says]");
  const isError = sentence === line.dataset.tooMany;
  line.textContent = sentence.replace("%n", count.toLocaleString()).replace("%most", mostRows);
  line.classList.toggle("hidden", !isError); // for screen readers only; everybody sees the filled cells
  line.classList.toggle("errors", isError);
}

// An empty copy of the first row. The server reads fields by the number at the end of their names.
function emptyRow(index) {
  const row = body.rows[0].cloneNode(true);
  row.cells[0].textContent = index + 1;
  for (const error of row.querySelectorAll(".errorlist")) error.remove();
  for (const field of row.querySelectorAll("input, textarea")) {
    field.name = field.id = field.name.replace(/\d+$/, index);
    field.value = field.defaultValue = "";
    field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+$/, index + 1));
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
  return row;
}

function growTo(count) {
  while (body.rows.length < Math.min(count, mostRows)) body.append(emptyRow(body.rows.length));
  document.querySelector("[name=rows]").value = body.rows.length;
  if (body.rows.length >= mostRows) document.querySelector("button[name=more]")?.remove();
}

// Rows of cells as a spreadsheet copies them: tabs between, quotation marks around line ends.
function parseCells(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^\t\r\n]*))(\t|\r?\n|$)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (!end) break;
    if (end !== "\t") rows.push([]);
  }
  return rows.filter((row) => row.some((cell) => cell.trim()));
}

function fillCell(field, cell) {
  field.value = field.localName === "input" ? cell.replace(/\s+/g, " ") : cell;
}

function onPaste(event) {
  const text = event.clipboardData.getData("text/plain");
  if (!text.includes("\t")) return; // a single cell goes in as any text
  event.preventDefault();
  const rows = parseCells(text);
  const firstRow = event.target.closest("tr").sectionRowIndex;
  const firstColumn = event.target.closest("td").cellIndex;
  const { tooMany, filled } = document.querySelector("[data-grid-says]").dataset;
  if (firstRow + rows.length > mostRows) { showResult(tooMany, rows.length); return; }
  growTo(firstRow + rows.length);
  rows.forEach((cells, down) => cells.forEach((cell, right) => {
    const field = body.rows[firstRow + down].cells[firstColumn + right]?.querySelector("input, textarea");
    if (field) fillCell(field, cell);
  }));
  markUnsaved();
  showResult(filled, rows.length);
}

if (grid) {
  grid.addEventListener("paste", onPaste);
  document.querySelector("button[name=more]")?.addEventListener("click", (event) => {
    event.preventDefault();
    growTo(body.rows.length + 10);
  });
}
