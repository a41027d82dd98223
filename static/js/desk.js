// The desk: moving through the list, opening a case beside it, and what changes meanwhile.
"use strict";

(() => {
  const desk = document.querySelector("main.desk");
  if (!desk) return;
  const rows = () => [...document.querySelectorAll("#case-rows > li")];
  const current = () => document.querySelector("#case-rows > li.current");
  let atEnd = true;
  const csrf = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];

  function focus(row) {
    row?.querySelector(".who-link").focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  const focused = () => document.activeElement?.closest?.("#case-rows > li") || current();

  function move(step) {
    const all = rows();
    const at = all.indexOf(focused());
    focus(all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))]);
  }

  function mark(id) {
    for (const row of rows()) {
      const is = row.dataset.case === String(id);
      row.classList.toggle("current", is);
      row.querySelector(".who-link").toggleAttribute("aria-current", is);
    }
  }

  // True if there was an answer, of whatever kind. What fails is said by the banner.
  const ask = (verb, address, how) => htmx.ajax(verb, address, how).then(() => true, () => false);

  // Each kind of request has an element of its own: those of one element wait for one another,
  // and only the last of them is kept. Of two cases that are wished for, the later is shown.
  const asker = () => document.body.appendChild(Object.assign(document.createElement("div"), { hidden: true }));
  const opener = asker();
  const lister = asker();
  const beater = asker();
  let opening = null;
  const shownCase = () => document.getElementById("open").dataset.case;
  const caseIn = (address) => address.match(/\/cases\/(\d+)\//)?.[1];

  // True once the pane shows that case; false if another one was asked for since, or it did not come.
  async function show(address) {
    const turn = (opening = { id: caseIn(address) });
    htmx.trigger(opener, "htmx:abort");
    const isAnswered = await ask("GET", address, { source: opener, target: "#open", swap: "outerHTML" });
    if (turn !== opening) return false;
    opening = null;
    const isThere = shownCase() === turn.id;
    if (!isThere) sayUnloaded(address, isAnswered ? "refused" : "lost");
    settled();
    return isThere;
  }

  // The case before does not stay there as if it were the one that could not be loaded.
  function sayUnloaded(address, why) {
    const pane = document.getElementById("unloaded").content.firstElementChild.cloneNode(true);
    pane.dataset.wished = caseIn(address) || "";
    pane.querySelector("a").href = address;
    pane.querySelector("[data-why]").textContent = pane.dataset[why];
    leave();
    document.getElementById("open").replaceWith(pane);
    opened();
  }
  async function visit(address) {
    if (await show(address)) history.pushState({ htmx: true }, "", address);
  }
  document.body.addEventListener("connected", () => {
    const unloaded = document.querySelector("#open[data-wished] a");
    if (unloaded) visit(unloaded.href);
  });

  // For typeahead.js: which case is shown, and which one comes: null if none is on its way, "" if
  // the answer to a verb decides it.
  const deciding = new Set();
  const settled = () => document.dispatchEvent(new CustomEvent("desk-settled"));
  scrm.desk = {
    shown: shownCase,
    wished: () => shownCase() || document.getElementById("open").dataset.wished,
    coming: () => (opening ? opening.id || "" : deciding.size ? "" : null),
  };
  document.addEventListener("htmx:beforeSend", ({ detail: { elt, xhr } }) => {
    if (!elt.matches("form")) return;
    deciding.add(xhr);
    // After what the answer does in a moment of its own.
    xhr.addEventListener("loadend", () => setTimeout(() => { deciding.delete(xhr); settled(); }));
  });

  // Until the next case is there, the answer to a verb on the last one changes its row, but opens
  // nothing. Where the same case is only asked for again, the answer to the verb is the newer one.
  document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
    if (target.id !== "open" || !opening || detail.requestConfig.elt === opener) return;
    if (opening.id === shownCase() && detail.swapOverride !== "none") htmx.trigger(opener, "htmx:abort");
    else detail.swapOverride = "none";
  });

  function open(link) {
    mark(link.closest("li").dataset.case);
    return visit(link.href);
  }

  // An answer may come when its form has left the page: what it says and tells counts all the same,
  // and if its case is still the one that is open, what it shows as well.
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    if (elt.matches("form")) elt.addEventListener("htmx:beforeOnLoad", late, { once: true });
  });
  function late(event) {
    const { xhr } = event.detail;
    if (event.target.isConnected || xhr.getResponseHeader("HX-Redirect")) return;
    event.preventDefault();
    const html = scrm.rows.current(xhr.response, xhr);
    const isOpen = !opening && shownCase() && html.includes(`<div id="open" class="open" data-case="${shownCase()}"`);
    htmx.swap(isOpen ? "#open" : "#announce", html, { swapStyle: isOpen ? "outerHTML" : "none" });
    for (const [name, detail] of Object.entries(JSON.parse(xhr.getResponseHeader("HX-Trigger") || "{}"))) {
      htmx.trigger(document.body, name, detail);
    }
  }

  // What somebody has open and reads or fills in is not replaced under their hands.
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    if (detail.target.querySelector("details.pop[open]")) detail.shouldSwap = false;
  });

  function opened() {
    atEnd = true;
    const place = document.getElementById("open");
    const id = place?.dataset.case;
    desk.classList.toggle("has-case", Boolean(id));
    document.body.classList.toggle("in-case", Boolean(id));
    if (!id) return;
    document.title = `#${id} ${document.querySelector(".case-title h1")?.textContent || ""} · scrm`;
    toEnd();
    arrive(id);
  }

  // The newest is below: show it, unless somebody reads further up.
  function toEnd() {
    const timeline = document.querySelector(".timeline");
    if (timeline) timeline.scrollTop = timeline.scrollHeight;
  }
  document.addEventListener("htmx:beforeSwap", ({ target }) => {
    if (target.classList?.contains("timeline")) atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 60;
  });
  document.addEventListener("htmx:afterSettle", ({ target }) => {
    if (target.classList?.contains("timeline") && atEnd) toEnd();
    if (target.id === "open") opened();
    if (target.id === "composing" && atEnd) toEnd();
    if (target.id === "cases") count();
  });

  // Who is here: said every 15 s, and when it ends.
  let here = null;
  let beating = 0;
  function post(address, fields = {}) {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", csrf());
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    return navigator.sendBeacon(address, body);
  }
  const replying = () => Boolean([...document.querySelectorAll(".composer textarea[data-draft]")].some((text) => text.value.trim()));
  function beat() {
    const place = document.getElementById("open");
    if (!place?.dataset.here || document.hidden) return;
    ask("POST", place.dataset.here, { source: beater, target: `#present-${place.dataset.case}`, swap: "outerHTML", values: replying() ? { replying: 1 } : {} });
  }
  scrm.beat = beat;
  function arrive(id) {
    if (here && here.id !== id) post(here.left);
    const place = document.getElementById("open");
    here = { id, left: place.dataset.left };
    clearInterval(beating);
    beating = setInterval(beat, 15000);
    beat();
  }
  function leave() {
    if (here) post(here.left);
    here = null;
    clearInterval(beating);
  }
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", ({ persisted }) => persisted && opened());

  // Nothing is open any more, beside the list as it stands.
  function shut(href) {
    leave();
    mark(null);
    document.getElementById("open").replaceWith(Object.assign(document.createElement("div"), { id: "open", className: "open nothing" }));
    opened();
    history.pushState({ htmx: true }, "", href);
  }

  // Back to the list as it stood, where only one pane has room.
  document.addEventListener("click", (event) => {
    const back = event.target.closest(".case-title .back");
    if (!back || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const row = current();
    shut(back.href);
    focus(row);
  });

  // A click on a row opens it here; with a modifier, in a new tab, as any link.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#case-rows .who-link");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link);
  });
  // Undone: back to the case whose words or state came back, beside the same list.
  document.body.addEventListener("case-back", ({ detail }) => {
    if (!detail.href) return;
    const href = detail.href + document.getElementById("cases").dataset.query;
    mark(caseIn(href));
    visit(href);
  });
  // Where there is no room for a fourth pane, who this is comes over the case and goes again.
  document.addEventListener("click", (event) => {
    const shows = event.target.closest("[data-who]");
    if (!shows && !event.target.closest(".hide-who")) return;
    event.preventDefault();
    const place = document.getElementById("open");
    place.classList.toggle("shows-who", Boolean(shows));
    place.querySelector(shows ? ".hide-who" : "[data-who]").focus();
  });
  window.addEventListener("popstate", () => {
    scrm.leave(location.pathname);
    location.reload();
  });

  // Finished with it: on to the next one in the list, unless they went on to another one already.
  document.body.addEventListener("case-finished", ({ detail }) => {
    const id = String(detail.id);
    const row = document.getElementById(`row-${id}`);
    const next = row ? row.nextElementSibling || row.previousElementSibling : rows()[0];
    const isAt = (opening ? opening.id : shownCase()) === id;
    const held = document.activeElement;
    const mayFocus = held === document.body || held?.closest("#open, #case-rows");
    scrm.rows.finish(id);
    if (!isAt) return;
    if (next && mayFocus) focus(next);
    if (next) open(next.querySelector(".who-link"));
    else setTimeout(() => { // its form is needed for what the answer says
      shut(document.querySelector(".case-title .back")?.href || "/");
      htmx.trigger(document.body, "list-changed");
    });
  });
  document.body.addEventListener("list-changed", () => {
    for (const box of document.querySelectorAll(".pick input:checked")) box.checked = false;
    count();
    htmx.trigger(lister, "htmx:abort");
    ask("GET", `/?${scrm.rows.asked()}`, { source: lister, target: "#cases", swap: "outerHTML" });
    const uuid = document.querySelector("[data-uuid]");
    if (uuid) uuid.value = crypto.randomUUID?.() || ""; // none on plain HTTP: the server makes one
    if (shownCase() && !opening) show(location.href);
  });

  // Several at once.
  function count() {
    const picked = document.querySelectorAll(".pick input:checked");
    const n = document.querySelector("[data-picked]");
    if (n) n.textContent = picked.length;
    for (const row of rows()) row.classList.toggle("picked", row.querySelector(".pick input").checked);
  }
  let lastPicked = null;
  document.addEventListener("change", (event) => { if (event.target.matches(".pick input")) count(); });
  document.addEventListener("click", (event) => {
    if (event.target.matches("[data-unpick]")) {
      for (const box of document.querySelectorAll(".pick input:checked")) box.checked = false;
      count();
    }
    if (!event.target.matches(".pick input")) return;
    const boxes = rows().map((row) => row.querySelector(".pick input"));
    if (event.shiftKey && lastPicked) {
      const [a, b] = [boxes.indexOf(lastPicked), boxes.indexOf(event.target)].sort((x, y) => x - y);
      for (const box of boxes.slice(a, b + 1)) box.checked = event.target.checked;
      count();
    }
    lastPicked = event.target;
  });

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || !scrm.mayAct(event)) return;
    if (event.key === "j" || event.key === "k") { event.preventDefault(); move(event.key === "j" ? 1 : -1); }
    if (event.key === "x") {
      const box = focused()?.querySelector(".pick input");
      if (box) { event.preventDefault(); box.checked = !box.checked; count(); }
    }
  });

  // What was heard of: rows on screen are refreshed where they stand; new ones wait behind a bar.
  const heard = new Set();
  let timer = 0;
  let seeing = null;
  function seeSoon() {
    clearTimeout(timer);
    timer = setTimeout(seeNews, 250);
  }
  // A new list takes the place of the answer's: ask again for that one. And what the links of the
  // last list asked for has no place any more.
  function replace(list, by) {
    for (const link of list.querySelectorAll("[hx-target='#cases']")) if (link !== by) htmx.trigger(link, "htmx:abort");
    hearAgain();
    htmx.trigger("#list-news", "htmx:abort");
    if (heard.size) seeSoon();
  }
  function hearAgain() {
    for (const id of seeing || []) heard.add(id);
    seeing = null;
  }
  document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
    if (!detail.shouldSwap) return;
    if (target.id === "list-news") seeing = null;
    if (target.id === "cases") replace(target, detail.requestConfig.elt);
  });
  document.body.addEventListener("connected", () => { if (heard.size) seeSoon(); });
  document.body.addEventListener("live:case", ({ detail }) => {
    heard.add(detail.id);
    seeSoon();
  });
  document.body.addEventListener("live:presence", ({ detail }) => {
    if (document.getElementById(`row-${detail.id}`)) { heard.add(detail.id); seeSoon(); }
  });
  function seeNews() {
    const list = document.getElementById("cases");
    if (!list) return;
    const shown = rows().map((row) => row.dataset.case);
    const all = heard.has("0") || heard.has(0);
    const query = scrm.rows.asked();
    query.set("since", list.dataset.since);
    query.set("shown", shown.join(","));
    query.set("ids", shown.filter((id) => all || heard.has(id)).join(","));
    query.set("current", shownCase() || "");
    const asked = (seeing = new Set(heard));
    heard.clear();
    const picked = new Set([...document.querySelectorAll(".pick input:checked")].map((box) => box.value));
    ask("GET", `${list.dataset.news}?${query}`, { source: "#list-news", target: "#list-news", swap: "innerHTML" }).then(() => {
      if (seeing === asked) hearAgain(); // it was not shown
      for (const box of document.querySelectorAll(".pick input")) if (picked.has(box.value)) box.checked = true;
      count();
      const bar = document.querySelector("[data-bar]");
      if (bar) document.getElementById("announce").textContent = bar.textContent;
    });
  }

  const uuid = document.querySelector("[data-uuid]");
  if (uuid) uuid.value = crypto.randomUUID?.() || ""; // none on plain HTTP: the server makes one
  count();
  opened();
})();
