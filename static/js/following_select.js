// In a select with data-follows="other", only the group of options that is named like the chosen
// option of the field “other” can be chosen. Without this script, the labels of the groups say it.

const groupsOf = new WeakMap(); // select → all its groups

function follow(select) {
  const followed = select.form.elements[select.dataset.follows];
  if (!followed) return;
  if (!groupsOf.has(select)) groupsOf.set(select, [...select.querySelectorAll("optgroup")]);
  const label = followed.selectedOptions[0]?.label;
  for (const group of groupsOf.get(select)) {
    if (group.label === label) select.append(group);
    else group.remove();
  }
}

function followAll() {
  for (const select of document.querySelectorAll("select[data-follows]")) follow(select);
}

document.addEventListener("change", ({ target }) => {
  for (const select of target.form?.querySelectorAll?.("select[data-follows]") || []) follow(select);
});
document.addEventListener("htmx:afterSettle", followAll);
followAll();
