// Below 1360 px only the icons of the menu are shown, and on a phone nothing: a button opens all of
// it. Without this script, the button is a link to the menu.

const nav = document.querySelector(".nav");

function closeMenu() {
  nav.classList.remove("menu-open");
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.(".nav .to-menu");
  if (opener) {
    event.preventDefault();
    nav.classList.toggle("menu-open");
    if (nav.classList.contains("menu-open")) nav.querySelector(".menu a").focus();
    else nav.querySelector(".nav-top .to-menu").focus();
  } else if (!nav?.contains(event.target)) nav?.classList.remove("menu-open");
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !nav?.classList.contains("menu-open")) return;
  closeMenu();
  nav.querySelector(".nav-top .to-menu").focus();
});
