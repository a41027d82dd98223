// The form of a new source shows for each of its latest items whether it would become a case with
// the present choices.

const DAY = 86400; // s
// Items younger than this become cases, by the choice "since".
const AGE_LIMITS = { day: DAY, none: 0, "3 days": 3 * DAY, all: Infinity };
const form = document.querySelector("form.choose");

function becomesCase(sample, choices) {
  const isWanted = choices.get("stance") === "for us" || "matched" in sample.dataset;
  const since = choices.get("since");
  const { age } = sample.dataset; // "" if the item has no date
  return isWanted && (age === "" ? since === "all" : Number(age) < AGE_LIMITS[since]);
}

function updatePreview() {
  const choices = new FormData(form);
  let count = 0;
  for (const feed of form.querySelectorAll(".found-feed")) {
    const isChosen = feed.querySelector("[name=found]").checked;
    for (const sample of feed.querySelectorAll(".sample")) {
      const isCase = becomesCase(sample, choices);
      if (isChosen && isCase) count += 1;
      showFate(sample.querySelector(".fate"), isCase);
    }
  }
  const total = document.getElementById("fate");
  total.textContent = total.dataset.some.replace("%s", count);
}

function showFate(label, isCase) {
  label.textContent = isCase ? form.dataset.yes : form.dataset.no;
  label.className = isCase ? "fate chip ok" : "fate";
}

form.addEventListener("change", updatePreview);
updatePreview();
