// Loaded before everything else: keeps the keys that are pressed until the other scripts are there.
"use strict";

window.scrm = { early: [] };
scrm.hear = (event) => {
  const isWriting = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select");
  if (!isWriting && !event.ctrlKey && !event.metaKey && !event.altKey) scrm.early.push(event.key);
};
document.addEventListener("keydown", scrm.hear);
