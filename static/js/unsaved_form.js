// Protects a form for an offline contact: leaving the page asks for confirmation, and another tab
// of the same form takes the typed text over.

const form = document.querySelector("form[data-keep]");
let isUnsaved = false;

export function markUnsaved() {
  isUnsaved = true;
}

// The server answers with the other tab, and what was typed in it.
function switchTab(tab) {
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "tab", value: tab }));
  isUnsaved = false;
  form.submit();
}

function start() {
  form.addEventListener("input", markUnsaved);
  form.addEventListener("submit", () => { isUnsaved = false; });
  window.addEventListener("beforeunload", (event) => { if (isUnsaved) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-tab]");
    if (!link || !isUnsaved || !form.matches(".offline")) return;
    event.preventDefault();
    switchTab(link.dataset.tab);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("button.primary"));
  });
}

if (form) start();
