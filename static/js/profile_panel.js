// On a narrow screen, one button shows the contact panel over the case and another hides it.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-who]");
  if (!opener && !event.target.closest(".hide-who")) return;
  event.preventDefault();
  const pane = document.getElementById("open");
  pane.classList.toggle("shows-who", Boolean(opener));
  pane.querySelector(opener ? ".hide-who" : "[data-who]").focus();
});
