// Opens the next case in the list after a case is finished, unless the user has opened another one
// already.
import { pane, shownCase } from "./case_pane.js";
import { caseRows, focusRow } from "./case_list.js";
import { removeFinished } from "./list_versions.js";
import { closeCase, openCaseOfRow } from "./open_case.js";

document.body.addEventListener("case-finished", ({ detail }) => {
  const id = String(detail.id);
  const row = document.getElementById(`row-${id}`);
  const next = row ? row.nextElementSibling || row.previousElementSibling : caseRows()[0];
  const isStillThere = (pane.loading ? pane.loading.id : shownCase()) === id;
  const focused = document.activeElement;
  const mayFocus = focused === document.body || focused?.closest("#open, #case-rows");
  removeFinished(id);
  if (!isStillThere) return;
  if (next && mayFocus) focusRow(next);
  if (next) openCaseOfRow(next);
  else setTimeout(closeLastCase); // not at once: the answer still needs its form
});

function closeLastCase() {
  closeCase(document.querySelector(".case-title .back")?.href || "/");
  htmx.trigger(document.body, "list-changed");
}
