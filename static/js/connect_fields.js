// In a form with several kinds of login, only the fields of the chosen login are shown.
// Without this script, all of them are shown.

const choice = document.querySelector("[data-chooses]");

function showChosen() {
  for (const field of document.querySelectorAll("[data-only]")) {
    const box = field.closest(".field");
    box.hidden = field.dataset.only !== choice.value && !box.querySelector(".errorlist");
  }
}

if (choice) {
  choice.addEventListener("change", showChosen);
  addEventListener("pageshow", showChosen); // a browser may restore another choice
  showChosen();
}
