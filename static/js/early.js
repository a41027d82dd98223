// Keys that are pressed while the page still loads are kept, and act once the other scripts are there.
// Danger: this must run before everything else. It is the only script that is not a module (modules
// run after the page is parsed), so what it keeps is a global: early_keys.js takes it over.
"use strict";

window.earlyKeys = {
  pressed: [], // null once early_keys.js has taken them
  record(event) {
    const field = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select");
    if (field || event.ctrlKey || event.metaKey || event.altKey) return;
    window.earlyKeys.pressed.push(event.key);
  },
};
document.addEventListener("keydown", window.earlyKeys.record);
