// A button that starts slow work shows a busy label until the work is done.

for (const button of document.querySelectorAll("button[data-busy]")) {
  const label = button.textContent;
  button.form.addEventListener("submit", () => { button.textContent = button.dataset.busy; });
  // The browser may bring the page back from memory with the busy label.
  addEventListener("pageshow", () => { button.textContent = label; });
}
