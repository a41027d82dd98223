// Receives live events with one stream per browser: the tab that holds the lock listens and passes
// the events on to the other tabs.
// An event contains only a kind and an id; each page fetches the change itself, so that its
// permissions are checked.

const { live: streamAddress, liveToken } = document.body.dataset;
const KINDS = ["case", "delivery", "response", "presence", "notice"];
// Presence lapses by itself: nobody has to fetch it after a gap.
const KINDS_AFTER_GAP = KINDS.filter((kind) => kind !== "presence");
const SILENCE = 50000; // ms without any event, after which pages fetch as if everything had changed

const stream = { lastEventAt: Date.now() };
const tabs = new BroadcastChannel("scrm-live");

function dispatch(name, id) {
  document.body.dispatchEvent(new CustomEvent(name, { detail: { id } }));
}

// id: 0 if many rows changed.
function announce(kind, id) {
  stream.lastEventAt = Date.now();
  const caseId = id === "0" || id === 0 ? document.getElementById("open")?.dataset.case : id;
  dispatch(`live:${kind}`, id);
  for (const name of [`news:${kind}`, `news:${kind}:${caseId}`]) dispatchThrottled(name, id);
}

// At once; and if more comes within a second, once more at its end, so that a page which fetches
// on this event never misses the last change.
const throttled = new Map(); // event name → whether more came
function dispatchThrottled(name, id) {
  if (throttled.has(name)) { throttled.set(name, true); return; }
  dispatch(name, id);
  throttled.set(name, false);
  setTimeout(() => {
    const hasMore = throttled.get(name);
    throttled.delete(name);
    if (hasMore) dispatchThrottled(name, id);
  }, 1000);
}

function announceAll() {
  for (const kind of KINDS_AFTER_GAP) {
    tabs.postMessage({ kind, id: 0 });
    announce(kind, 0);
  }
}

// hadGap: events between the end of the last stream and the beginning of this one are lost.
function listen(token, hadGap = false) {
  const source = new EventSource(`${streamAddress}?token=${encodeURIComponent(token)}`);
  for (const kind of KINDS) {
    source.addEventListener(kind, ({ data }) => {
      tabs.postMessage({ kind, id: data });
      announce(kind, data);
    });
  }
  source.addEventListener("beat", () => {
    stream.lastEventAt = Date.now();
    tabs.postMessage({ beat: true });
  });
  source.onopen = () => {
    if (hadGap) setTimeout(announceAll, Math.random() * 3000); // not all browsers at once
    hadGap = false;
  };
  source.onerror = () => {
    hadGap = true;
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    source.close();
    listenAgain(token);
  };
}

// With a new token: the old one may have run out.
async function listenAgain(token) {
  await new Promise((done) => setTimeout(done, 3000 + Math.random() * 4000));
  const answer = await fetch("/live/token/", { redirect: "error" }).catch(() => null);
  listen(answer && answer.ok ? await answer.text() : token, true);
}

function onTabMessage({ data }) {
  if (data.beat) stream.lastEventAt = Date.now();
  else announce(data.kind, data.id);
}

function start() {
  tabs.onmessage = onTabMessage;
  if (navigator.locks) navigator.locks.request("scrm-live", () => new Promise(() => listen(liveToken)));
  else listen(liveToken); // plain HTTP has no locks: one stream per tab
  setInterval(() => {
    if (Date.now() - stream.lastEventAt > SILENCE) for (const kind of KINDS_AFTER_GAP) announce(kind, 0);
  }, 25000);
}

if (streamAddress) start();
