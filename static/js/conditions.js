// In a row of conditions, the operators and the suggested values follow from the chosen field.
// Without this script, all operators are offered and the form says which of them fit.

function fit(row) {
  const field = row.querySelector("[data-condition-field]");
  const operator = row.querySelector("[data-condition-op]");
  const type = field.selectedOptions[0]?.dataset.type || "";
  for (const group of operator.querySelectorAll("optgroup")) {
    group.hidden = group.disabled = Boolean(type) && group.dataset.type !== type;
  }
  const fits = operator.selectedOptions[0]?.closest("optgroup")?.dataset.type === type;
  const first = operator.querySelector("optgroup:not([hidden]) option");
  if (type && !fits && first) first.selected = true;
  row.querySelector("[data-condition-value]").setAttribute("list", `cond-values-${field.value}`);
}

for (const rows of document.querySelectorAll("[data-conditions]")) {
  rows.addEventListener("change", (event) => {
    if (event.target.matches("[data-condition-field]")) fit(event.target.closest(".condition"));
  });
  for (const row of rows.querySelectorAll(".condition")) fit(row);
}
