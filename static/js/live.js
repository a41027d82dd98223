// One stream per browser: the tab that holds the lock listens and tells the others.
// An event is a hint with an id; pages fetch what changed through their own permissions.
"use strict";

(() => {
  const { live, liveToken } = document.body.dataset;
  if (!live) return;
  const KINDS = ["case", "delivery", "response", "presence", "notice"];
  const channel = new BroadcastChannel("scrm-live");
  let heardAt = Date.now();

  function say(kind, id) {
    heardAt = Date.now();
    const open = id === "0" || id === 0 ? document.getElementById("open")?.dataset.case : id; // 0: many
    tell(`live:${kind}`, id);
    for (const name of [`news:${kind}`, `news:${kind}:${open}`]) calmly(name, id);
  }

  const tell = (name, id) => document.body.dispatchEvent(new CustomEvent(name, { detail: { id } }));

  // At once; and what comes within the next second once more at its end, so that whoever asks
  // for what is there now never misses the last of it.
  const resting = new Map();
  function calmly(name, id) {
    if (resting.has(name)) { resting.set(name, true); return; }
    tell(name, id);
    resting.set(name, false);
    setTimeout(() => {
      const more = resting.get(name);
      resting.delete(name);
      if (more) calmly(name, id);
    }, 1000);
  }

  channel.onmessage = ({ data }) => (data.beat ? (heardAt = Date.now()) : say(data.kind, data.id));

  const saySomethingOfEach = () => KINDS.forEach((kind) => {
    if (kind === "presence") return;
    channel.postMessage({ kind, id: 0 });
    say(kind, 0);
  });

  // missed: what was told between the last stream's end and the beginning of this one.
  function listen(token, missed = false) {
    const stream = new EventSource(`${live}?token=${encodeURIComponent(token)}`);
    for (const kind of KINDS) {
      stream.addEventListener(kind, ({ data }) => {
        channel.postMessage({ kind, id: data });
        say(kind, data);
      });
    }
    stream.addEventListener("beat", () => {
      heardAt = Date.now();
      channel.postMessage({ beat: true });
    });
    stream.onopen = () => {
      if (missed) setTimeout(saySomethingOfEach, Math.random() * 3000); // not all browsers at once
      missed = false;
    };
    stream.onerror = async () => {
      missed = true;
      if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
      stream.close();
      await new Promise((done) => setTimeout(done, 3000 + Math.random() * 4000));
      const answer = await fetch("/live/token/", { redirect: "error" }).catch(() => null);
      listen(answer && answer.ok ? await answer.text() : token, true);
    };
  }

  if (navigator.locks) navigator.locks.request("scrm-live", () => new Promise(() => listen(liveToken)));
  else listen(liveToken); // plain HTTP: one stream a tab

  // Without a stream for a while: ask, as if everything had changed.
  setInterval(() => {
    if (Date.now() - heardAt > 50000) KINDS.forEach((kind) => kind !== "presence" && say(kind, 0));
  }, 25000);

  // A lost connection: say so, ask for it, and try again by itself what was pressed meanwhile.
  // A form carries its UUID or what it depends on, so that a second try is never a second deed.
  const banner = document.getElementById("offline");
  const pressed = new Map();
  let asking = 0;
  function lost() {
    banner.hidden = false;
    banner.querySelector("[data-pressed]").hidden = !pressed.size;
    clearInterval(asking);
    asking = setInterval(() => fetch("/healthz", { cache: "no-store" }).then(back, () => {}), 5000);
  }
  function back() {
    if (banner.hidden || !navigator.onLine) return;
    banner.hidden = true;
    clearInterval(asking);
    const again = [...pressed];
    pressed.clear();
    for (const [form, button] of again) if (form.isConnected) form.requestSubmit(button);
    document.body.dispatchEvent(new CustomEvent("connected"));
  }
  window.addEventListener("offline", lost);
  window.addEventListener("online", back);
  document.addEventListener("htmx:sendError", ({ detail: { elt, requestConfig } }) => {
    if (elt.matches("form")) pressed.set(elt, requestConfig.triggeringEvent?.submitter);
    lost();
  });
  document.addEventListener("input", ({ target }) => pressed.delete(target.form)); // words that were changed wait for a new press
  document.addEventListener("htmx:afterRequest", ({ detail }) => { if (detail.successful) back(); });
})();
