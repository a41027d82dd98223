"""The server of the Bluesky stand-in: what it stores, its faults, and how it answers.

    with Bluesky() as network:
        care, jo = network.person("skycare"), network.person("joanna")
        post = jo.post("Hello @skycare.test", mention=care)
        network.fail("com.atproto.repo.createRecord", 503)
        network.lose_answer("com.atproto.repo.createRecord")

It keeps accounts, records, notifications, direct messages and reports in memory. Lists are ordered
by the date that authors state, newest first, and a cursor is such a date, as on the real network.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FULL, PRIVILEGED, PLAIN = (
    "com.atproto.access",
    "com.atproto.appPassPrivileged",
    "com.atproto.appPass",
)
POST, LIKE, BLOCK = "app.bsky.feed.post", "app.bsky.feed.like", "app.bsky.graph.block"
Row = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.body = status, {"error": code, "message": message or code}


@dataclass
class Fault:
    """What happens to the next requests of a method, `times` times.

    status: the answer instead of the real one; 0 to process the request and then lose the answer.
    raw: the body of the answer, for example torn JSON. seconds: how long the answer takes.
    later: after how many seconds the request is processed if its answer is lost.
    """

    status: int = 0
    body: Row | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    seconds: float = 0
    later: float = 0
    times: int = 1


@dataclass
class Person:
    """An account, and what its owner does in another program."""

    network: Bluesky
    handle: str
    did: str
    passwords: dict[str, str]
    profile: Row = field(default_factory=dict)
    refuses_messages: bool = False

    def post(
        self, text: str, *, mention: Person | None = None, to: Row | None = None,
        at: datetime | None = None, **more: Any,
    ) -> Row:  # fmt: skip
        """Publish a post. to: the answered post. at: the date that the author states."""
        record: Row = {"$type": POST, "text": text, "createdAt": _iso(at or _now())} | more
        if mention:
            start = text.encode("utf-8", "surrogatepass").index(f"@{mention.handle}".encode())
            end = start + len(f"@{mention.handle}".encode())
            feature = {"$type": "app.bsky.richtext.facet#mention", "did": mention.did}
            record["facets"] = [
                {"index": {"byteStart": start, "byteEnd": end}, "features": [feature]}
            ]
        if to:
            root = self.network.records[to["uri"]]["value"].get("reply", {}).get("root", to)
            record["reply"] = {"root": root, "parent": to}
        return self.network.store(self.did, POST, self.network.next_key(), record)

    def delete(self, ref: Row) -> None:
        self.network.records.pop(ref["uri"])

    def write(self, to: Person, text: str) -> Row:
        """Send a direct message."""
        return self.network.message(self.network.convo(self.did, to.did), self.did, text)


class Bluesky:
    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.records: dict[str, Row] = {}
        self.convos: dict[str, Row] = {}
        self.log: list[Row] = []
        self.reports: list[Row] = []
        self.blobs: list[bytes] = []
        self.tokens: dict[str, Row] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[str] = []
        self.no_quotes: set[str] = set()
        self.logins = 0
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def __enter__(self) -> Bluesky:
        handler = type("Handler", (_Handler,), {"network": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # What a test arranges

    def person(self, name: str, **profile: Any) -> Person:
        did = f"did:plc:{name}{len(self.people):06d}"
        passwords = {f"{name}-main": FULL, f"{name}-app": PLAIN, f"{name}-chat": PRIVILEGED}
        facts = {"followersCount": 7, "description": f"I am {name}."} | profile
        self.people[did] = Person(self, f"{name}.test", did, passwords, facts)
        return self.people[did]

    def fail(
        self, method: str, status: int, code: str = "", times: int = 1, **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"error": code or "Error", "message": f"{code or 'It'} went wrong."}
        self.faults.setdefault(method, []).append(Fault(status, body, named, times=times))

    def tear(self, method: str, raw: bytes = b'{"posts": [{"uri', times: int = 1) -> None:
        self.faults.setdefault(method, []).append(Fault(200, raw=raw, times=times))

    def lose_answer(self, method: str, times: int = 1, *, later: float = 0) -> None:
        """Carry the next requests out, `later` seconds after they came, and answer none of them."""
        self.faults.setdefault(method, []).append(Fault(times=times, later=later))

    def allow(self, method: str, times: int) -> None:
        """Answer the next requests as usual, before the fault that is arranged after this."""
        self.faults.setdefault(method, []).append(Fault(seconds=0.001, times=times))

    def be_slow(self, method: str, seconds: float) -> None:
        self.faults.setdefault(method, []).append(Fault(seconds=seconds))

    def expire_access(self, *, refresh: bool = False) -> None:
        for token in self.tokens.values():
            token["expired"] = token["expired"] or token["kind"] == "access" or refresh

    def posts_of(self, person: Person) -> list[Row]:
        """Return the records of a person's posts, oldest first."""
        head = f"at://{person.did}/{POST}/"
        return [each["value"] for uri, each in self.records.items() if uri.startswith(head)]

    def next_key(self) -> str:
        return f"3k{next(self._numbers):011d}".replace("0", "a").replace("1", "b").replace(
            "8", "c").replace("9", "d")  # fmt: skip

    # What is stored

    def store(self, did: str, collection: str, rkey: str, value: Row) -> Row:
        uri = f"at://{did}/{collection}/{rkey}"
        cid = "bafy" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:40]
        self.records[uri] = {
            "uri": uri, "cid": cid, "value": value, "number": next(self._numbers),
            "sort": min(str(value.get("createdAt")), _iso(_now())),
        }  # fmt: skip
        return {"uri": uri, "cid": cid}

    def convo(self, *dids: str) -> Row:
        for each in self.convos.values():
            if set(each["members"]) == set(dids):
                return each
        number = f"convo{len(self.convos)}"
        self.convos[number] = {"id": number, "members": dids, "messages": [], "rev": self._rev()}
        self._note(self.convos[number], "logBeginConvo")
        return self.convos[number]

    def message(self, convo: Row, sender: str, text: str) -> Row:
        made = {
            "$type": "chat.bsky.convo.defs#messageView", "id": f"m{next(self._numbers)}",
            "rev": self._rev(), "text": text, "sender": {"did": sender}, "sentAt": _iso(_now()),
        }  # fmt: skip
        convo["messages"].append(made)
        convo["rev"] = made["rev"]
        self._note(convo, "logCreateMessage", message=made)
        return made

    def _note(self, convo: Row, kind: str, **facts: Any) -> None:
        entry = {"$type": f"chat.bsky.convo.defs#{kind}", "convoId": convo["id"]}
        self.log.append(entry | {"rev": convo["rev"]} | facts)

    def _rev(self) -> str:
        return f"r{next(self._numbers):012d}"

    # How the network shows things

    def post_view(self, uri: str, viewer: str) -> Row:
        stored = self.records[uri]
        likes = (
            each["uri"] for each in self.records.values()
            if each["value"].get("$type") == LIKE and each["uri"].startswith(f"at://{viewer}/")
            and each["value"]["subject"]["uri"] == uri
        )  # fmt: skip
        did = uri.split("/")[2]
        view = {
            "uri": uri, "cid": stored["cid"], "record": stored["value"],
            "author": self.short(did), "indexedAt": stored["sort"],
            "viewer": {"like": found} if (found := next(likes, "")) else {},
        }  # fmt: skip
        view["viewer"] |= {"embeddingDisabled": True} if uri in self.no_quotes else {}
        images = stored["value"].get("embed", {}).get("images", [])
        if images:
            shown = [{"fullsize": f"{self.url}/image/{each['image']['ref']['$link']}",
                      "thumb": "", "alt": each["alt"]} for each in images]  # fmt: skip
            view["embed"] = {"$type": "app.bsky.embed.images#view", "images": shown}
        return view

    def short(self, did: str) -> Row:
        person = self.people[did]
        return {"did": did, "handle": person.handle, "displayName": person.handle.split(".")[0]}

    def seen_by(self, viewer: str) -> Iterable[Row]:
        """Yield the posts that the viewer may see, newest first by their date."""
        blocked = {
            each["uri"].split("/")[2] for each in self.records.values()
            if each["value"].get("$type") == BLOCK and each["value"]["subject"] == viewer
        }  # fmt: skip
        posts = [each for uri, each in self.records.items() if f"/{POST}/" in uri]
        posts.sort(key=lambda each: (each["sort"], each["number"]), reverse=True)
        return (each for each in posts if each["uri"].split("/")[2] not in blocked)

    def session(self, did: str, scope: str) -> Row:
        made = {}
        for kind, lasts in (("access", timedelta(hours=2)), ("refresh", timedelta(days=90))):
            facts = {"scope": scope, "exp": int((_now() + lasts).timestamp()), "sub": did}
            body = json.dumps(facts | {"jti": next(self._numbers)}).encode()
            token = f"eyJ.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.{kind}"
            self.tokens[token] = {"did": did, "kind": kind, "scope": scope, "expired": False}
            made[f"{kind}Jwt"] = token
        service = {"id": "#atproto_pds", "serviceEndpoint": self.url}
        return made | {
            "did": did, "handle": self.people[did].handle, "active": True,
            "didDoc": {"id": did, "service": [service]},
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    network: Bluesky

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        self._serve(json.loads(body or b"{}") if "json" in kind else {"blob": body, "type": kind})

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self, body: Row) -> None:
        where = urlsplit(self.path)
        name = where.path.removeprefix("/xrpc/")
        if name.startswith("/image/"):
            self._send(200, b"\x89PNG picture", {"Content-Type": "image/png"})
            return
        with self.network._lock:
            self.network.asked.append(name)
            fault = self._fault(name)
            if fault and fault.status:
                raw = fault.raw if fault.raw is not None else json.dumps(fault.body).encode()
                self._send(fault.status, raw, fault.headers)
                return
            if fault and fault.later:
                asked = (name, parse_qs(where.query), body)
                threading.Timer(fault.later, self._carry_out, asked).start()
                self.close_connection = True
                return
            status, answer = self._carry_out(name, parse_qs(where.query), body)
        if fault and fault.seconds:
            time.sleep(fault.seconds)
        elif fault:  # the request was carried out, and the answer is lost
            self.close_connection = True
            return
        self._send(status, json.dumps(answer).encode(), {})

    def _carry_out(self, name: str, query: dict[str, list[str]], body: Row) -> tuple[int, Row]:
        with self.network._lock:
            try:
                return 200, self._answer(name, query, body)
            except Refused as error:
                return error.status, error.body

    def _fault(self, name: str) -> Fault | None:
        waiting = self.network.faults.get(name, [])
        if not waiting:
            return None
        waiting[0].times -= 1
        return waiting[0] if waiting[0].times else waiting.pop(0)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        always = {"Content-Type": "application/json", "Date": self.date_time_string()}
        for key, value in {**always, **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, name: str, query: dict[str, list[str]], body: Row) -> Row:
        method = METHODS.get(name)
        if method is None:
            raise Refused(501, "MethodNotImplemented")
        open_to_all = name in ("com.atproto.server.createSession", "com.atproto.repo.getRecord")
        kind = "refresh" if name.endswith("refreshSession") else "access"
        token = self.network.tokens.get(self.headers.get("Authorization", "")[7:])
        if not open_to_all:
            if token is None or token["kind"] != kind:
                raise Refused(401, "AuthMissing")
            if token["expired"]:
                raise Refused(400, "ExpiredToken", "Token has expired")
            if name.startswith("chat.") and token["scope"] == PLAIN:
                raise Refused(400, "InvalidToken", "Bad token method")
            if name.startswith("chat.") and not self.headers.get("atproto-proxy"):
                raise Refused(501, "MethodNotImplemented")
        flat = {key: values[0] for key, values in query.items()}
        return method(Call(self.network, token["did"] if token else "", flat, query, body, token))


@dataclass
class Call:
    network: Bluesky
    us: str
    query: dict[str, str]
    lists: dict[str, list[str]]
    body: Row
    token: Row | None

    def page(self, rows: Iterable[Row], name: str, show: Callable[[Row], Row]) -> Row:
        """Cut a page out of rows that are ordered by date; its last date is the next cursor."""
        limit, cursor = int(self.query.get("limit", 50)), self.query.get("cursor", "~")
        cut = list(itertools.islice((row for row in rows if row["sort"] < cursor), limit))
        answer: Row = {name: [show(row) for row in cut]}
        return answer | ({"cursor": cut[-1]["sort"]} if cut else {})


METHODS: dict[str, Callable[[Call], Row]] = {}
"""Filled by `bluesky_methods`, which contains what each method of the network does."""


def _now() -> datetime:
    return datetime.now(UTC)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
