// Ctrl-K: pages of the menu at once, cases and people from the server; arrows and Enter.
"use strict";

(() => {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const words = document.getElementById("palette-words");
  const pages = document.getElementById("palette-pages");

  function list() {
    const wanted = words.value.trim().toLowerCase();
    const links = [...document.querySelectorAll(".menu li > a, .nav-head a.new, .me a")];
    const found = links.filter((link) => !wanted || link.textContent.toLowerCase().includes(wanted)).slice(0, wanted ? 6 : 12);
    pages.replaceChildren(...found.map((link) => {
      const item = document.createElement("li");
      const copy = document.createElement("a");
      copy.href = link.href;
      copy.className = "button quiet";
      copy.textContent = (link.querySelector(".label") || link).textContent.trim();
      item.append(copy);
      return item;
    }));
  }

  words.addEventListener("input", list);
  dialog.addEventListener("keydown", (event) => {
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
  });
  dialog.addEventListener("focusin", list, { once: true });
  document.addEventListener("click", (event) => { if (event.target.closest("#palette a")) dialog.close(); });
})();
