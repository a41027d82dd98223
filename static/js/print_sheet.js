// The button of the print view of a letter.

document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
