// Choose a person under “Log interaction” with the keyboard: arrow down moves into the list, and Enter takes
// the chosen person, or else the first, and moves on to the text. Without this script, buttons do
// the same.

const search = document.getElementById("profile_q");
const people = document.getElementById("people");
const text = document.querySelector("textarea[name=text]");
// isOutdated: the list was asked for before the last letter.
// takesFirst: Enter was pressed meanwhile, and takes the first person once the list is there.
const state = { isOutdated: false, takesFirst: false };

const firstPerson = () => people.querySelector("[name=profile]");

function takePerson() {
  const person = people.querySelector("[name=profile]:checked:not([value=''])") || firstPerson();
  if (person) person.checked = true;
  text.focus();
}

function onSearchKey(event) {
  if (event.isComposing) return;
  if (event.key === "Enter") {
    event.preventDefault();
    if (state.isOutdated) state.takesFirst = true;
    else takePerson();
  } else if (event.key === "ArrowDown" && firstPerson()) {
    event.preventDefault();
    firstPerson().checked = true;
    firstPerson().focus();
  }
}

function onPeopleLoaded({ target, detail }) {
  if (target !== people) return;
  state.isOutdated = detail.requestConfig.parameters.profile_q !== search.value;
  if (state.isOutdated) return;
  if (state.takesFirst) takePerson();
  state.takesFirst = false;
}

// Letters typed before this script was there count too.
function searchForEarlyLetters() {
  if (search.value === search.defaultValue) return;
  state.isOutdated = true;
  htmx.trigger(search, "search");
}

function start() {
  // Otherwise Enter in any other field would press it, as the first button of the form.
  document.querySelector("button[name=search]").remove();
  search.addEventListener("input", () => { state.isOutdated = true; });
  search.addEventListener("keydown", onSearchKey);
  document.addEventListener("DOMContentLoaded", searchForEarlyLetters);
  document.addEventListener("htmx:afterSwap", onPeopleLoaded);
  people.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); text.focus(); }
    if (event.key === "Escape") search.focus();
  });
}

if (search) start();
