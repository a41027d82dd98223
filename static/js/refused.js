// Says that a request was refused or failed. htmx shows no answer with such a status, so without this
// script the page would stay as it was, as if nothing had happened.

const banner = document.getElementById("refused");

function hasTypedText() {
  return [...document.querySelectorAll("textarea")].some((text) => text.value.trim());
}

document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
  const isGone = xhr.status === 403 || xhr.status === 404;
  banner.querySelector("[data-gone]").hidden = !isGone;
  banner.querySelector("[data-failed]").hidden = isGone;
  banner.querySelector("[data-typed]").hidden = !hasTypedText();
  banner.hidden = false;
});
// Another case is shown.
document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.id === "open") banner.hidden = true;
});
