// On a narrow screen a button shows who the customer is, over the case, and another hides it again.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-who]");
  if (!opener && !event.target.closest(".hide-who")) return;
  event.preventDefault();
  const pane = document.getElementById("open");
  pane.classList.toggle("shows-who", Boolean(opener));
  pane.querySelector(opener ? ".hide-who" : "[data-who]").focus();
});
