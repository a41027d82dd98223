// Shows a banner while the connection is lost; when it is back, sends again the forms that failed
// meanwhile.
// A form contains its UUID or the version that it depends on, so sending it twice never acts twice.

const banner = document.getElementById("offline");
const unsent = new Map(); // form → the button that sent it
let polling = 0;

function showLost() {
  banner.hidden = false;
  banner.querySelector("[data-pressed]").hidden = !unsent.size;
  clearInterval(polling);
  polling = setInterval(() => fetch("/healthz", { cache: "no-store" }).then(resume, () => {}), 5000);
}

function resume() {
  if (banner.hidden || !navigator.onLine) return;
  banner.hidden = true;
  clearInterval(polling);
  const again = [...unsent];
  unsent.clear();
  for (const [form, button] of again) if (form.isConnected) form.requestSubmit(button);
  document.body.dispatchEvent(new CustomEvent("connected"));
}

window.addEventListener("offline", showLost);
window.addEventListener("online", resume);
document.addEventListener("htmx:sendError", ({ detail: { elt, requestConfig } }) => {
  if (elt.matches("form")) unsent.set(elt, requestConfig.triggeringEvent?.submitter);
  showLost();
});
// A form that was changed since is sent only when its user presses again.
document.addEventListener("input", ({ target }) => unsent.delete(target.form));
document.addEventListener("htmx:afterRequest", ({ detail }) => { if (detail.successful) resume(); });
