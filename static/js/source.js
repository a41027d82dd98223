// A new source: says of each item shown what would become of it, as the choices stand.
"use strict";

const DAY = 86400;
const YOUNGER = { day: DAY, none: 0, "3 days": 3 * DAY, all: Infinity };
const choose = document.querySelector("form.choose");

function becomesACase(sample, typed) {
  const asked = typed.get("stance") === "for us" || "matched" in sample.dataset;
  const { age } = sample.dataset;
  return asked && (age === "" ? typed.get("since") === "all" : Number(age) < YOUNGER[typed.get("since")]);
}

function sayFates() {
  const typed = new FormData(choose);
  let some = 0;
  for (const feed of choose.querySelectorAll(".found-feed")) {
    const isChosen = feed.querySelector("[name=found]").checked;
    for (const sample of feed.querySelectorAll(".sample")) {
      const isCase = becomesACase(sample, typed);
      if (isChosen && isCase) some += 1;
      const fate = sample.querySelector(".fate");
      fate.textContent = isCase ? choose.dataset.yes : choose.dataset.no;
      fate.className = isCase ? "fate chip ok" : "fate";
    }
  }
  const words = document.getElementById("fate");
  words.textContent = words.dataset.some.replace("%s", some);
}

if (choose) {
  choose.addEventListener("change", sayFates);
  sayFates();
}

// Looking takes seconds: the button says so, and is itself again if the page comes back.
for (const button of document.querySelectorAll("button[data-busy]")) {
  const words = button.textContent;
  button.form.addEventListener("submit", () => { button.textContent = button.dataset.busy; });
  addEventListener("pageshow", () => { button.textContent = words; });
}
