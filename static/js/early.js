// Keeps the keys that are pressed while the page loads, until the other scripts can act on them.
// Danger: this script must run before all others. It is the only script that is not a module,
// because modules run after the page is parsed. So it stores the keys in a global variable, which
// early_keys.js reads.
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
