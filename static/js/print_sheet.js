// Prints the sheet of a letter.

document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
