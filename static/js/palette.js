// Ctrl-K goes anywhere: pages of the menu appear at once, cases and people come from the server.

const dialog = document.getElementById("palette");
const words = document.getElementById("palette-words");
const pages = document.getElementById("palette-pages");

function listPages() {
  const wanted = words.value.trim().toLowerCase();
  const links = [...document.querySelectorAll(".menu li > a, .nav-head a.new, .me a")];
  const found = links.filter((link) => !wanted || link.textContent.toLowerCase().includes(wanted));
  pages.replaceChildren(...found.slice(0, wanted ? 6 : 12).map(listItem));
}

function listItem(link) {
  const item = document.createElement("li");
  const copy = document.createElement("a");
  copy.href = link.href;
  copy.className = "button quiet";
  copy.textContent = (link.querySelector(".label") || link).textContent.trim();
  item.append(copy);
  return item;
}

// Up and down go through the links and back to the words; Enter in the words takes the first link.
function onKey(event) {
  const links = [...dialog.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    (links[next] || (next < 0 ? words : links[0])).focus();
  } else if (event.key === "Enter" && document.activeElement === words) {
    event.preventDefault();
    links[0]?.click();
  }
}

words.addEventListener("input", listPages);
dialog.addEventListener("keydown", onKey);
dialog.addEventListener("focusin", listPages, { once: true });
document.addEventListener("click", ({ target }) => { if (target.closest("#palette a")) dialog.close(); });
