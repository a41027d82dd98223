// On a small screen the head of the case has two rows: the menu “…” takes the verbs that stand beside
// it on a large screen.

const phone = matchMedia("(max-width: 720px)");

function placeVerbs() {
  const verbs = document.querySelector("#open .head-verbs");
  const menu = document.querySelector("#open .case-title .more-verbs");
  if (!verbs || !menu) return;
  if (phone.matches) menu.querySelector(":scope > div").prepend(verbs);
  else menu.before(verbs);
}

phone.addEventListener("change", placeVerbs);
document.addEventListener("htmx:afterSettle", ({ target }) => { if (target.id === "open") placeVerbs(); });
document.body.addEventListener("case-shown", placeVerbs);
placeVerbs();
