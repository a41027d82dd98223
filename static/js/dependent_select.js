// In a select with data-depends-on="other", only the group of options that is named like the chosen
// option of the field “other” can be chosen. Without this script, the labels of the groups say it.

const groupsOf = new WeakMap(); // select → all its groups

function update(select) {
  const other = select.form.elements[select.dataset.dependsOn];
  if (!other) return;
  if (!groupsOf.has(select)) groupsOf.set(select, [...select.querySelectorAll("optgroup")]);
  const label = other.selectedOptions[0]?.label;
  for (const group of groupsOf.get(select)) {
    if (group.label === label) select.append(group);
    else group.remove();
  }
}

function updateAll() {
  for (const select of document.querySelectorAll("select[data-depends-on]")) update(select);
}

document.addEventListener("change", ({ target }) => {
  for (const select of target.form?.querySelectorAll?.("select[data-depends-on]") || []) update(select);
});
document.addEventListener("htmx:afterSettle", updateAll);
updateAll();
