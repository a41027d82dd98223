"""A stand-in for a Mastodon server: it keeps accounts, posts and logins, and fails on request.

It is written from the API documentation at docs.joinmastodon.org.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

DOMAIN = "mastodon.example"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
TOKEN = "tok-5ecret-ofus"
Answer = tuple[int, Any]


@dataclass
class Fault:
    """A fault of the next requests whose method and path contain `where`.

    what: a status to answer with; "torn", "web page", "slow" or "closed"; or "lost": the request
    is carried out, but its answer is lost.
    skip: how many requests succeed before. times: how often the fault happens.
    """

    where: str
    what: int | str
    times: int = 1
    skip: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


class MastodonServer:
    """Use it as a context manager. `us` is the account of `TOKEN`."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, dict[str, Any]] = {}
        self.notifications: list[dict[str, Any]] = []
        self.media: dict[str, dict[str, Any]] = {}
        self.lists: dict[str, dict[str, Any]] = {}
        self.apps: dict[str, dict[str, str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.blocked: set[str] = set()
        self.reports: list[dict[str, Any]] = []
        self.liked: set[str] = set()
        self.followed_tags = ["cats"]
        self.has_pkce, self.has_bulk, self.has_search = True, True, True
        self.processing_polls, self.max_characters, self.page_limit = 0, 500, 40
        self.serial, self.hour = 0, timedelta(hours=0)
        self.lock = threading.RLock()
        self.us = self.account("us")
        self.tokens[TOKEN] = self.us["id"]

    def __enter__(self) -> MastodonServer:
        handler = type("Handler", (_Handler,), {"network": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def account(self, acct: str, **facts: Any) -> dict[str, Any]:
        number = str(9000 + len(self.accounts))
        self.accounts[number] = {
            "id": number, "username": acct.partition("@")[0], "acct": acct,
            "display_name": acct.title(), "note": f"<p>I am {acct}</p>", "followers_count": 7,
            "url": f"https://{acct.partition('@')[2] or DOMAIN}/@{acct}",
        } | facts  # fmt: skip
        return self.accounts[number]

    def write(
        self, author: dict[str, Any], text: str, *, late: float = 0, to: str = "",
        visibility: str = "public", **facts: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Publish a post as the network does. late: minutes for which it was on its way to us."""
        with self.lock:
            self.serial += 1
            at = datetime.now(UTC) - self.hour + timedelta(milliseconds=self.serial)
            at -= timedelta(minutes=late)
            number = str((int(at.timestamp() * 1000) << 16) + self.serial)
            self.statuses[number] = {
                "id": number, "created_at": at.isoformat(), "in_reply_to_id": to or None,
                "visibility": visibility, "spoiler_text": "", "language": "en", "text": text,
                "content": self.html(text), "url": f"https://{DOMAIN}/@x/{number}",
                "account": author, "media_attachments": [], "mentions": self.named(text),
                "edited_at": None, "reblog": None, "quote": None, "sensitive": False,
            } | facts  # fmt: skip
            if any(one["id"] == self.us["id"] for one in self.statuses[number]["mentions"]):
                self.notify("mention", self.statuses[number])
            return self.statuses[number]

    def notify(self, kind: str, status: dict[str, Any] | None) -> None:
        number = str(int(self.notifications[-1]["id"]) + 1 if self.notifications else 9)
        self.notifications.append({"id": number, "type": kind, "status": status,
                                   "account": status and status["account"]})  # fmt: skip

    def edit(self, status: dict[str, Any], text: str) -> None:
        at = datetime.now(UTC) + timedelta(milliseconds=len(text))
        status |= {"text": text, "content": self.html(text), "edited_at": at.isoformat()}

    def remove(self, number: str) -> None:
        self.statuses.pop(number, None)
        kept = [one for one in self.notifications if (one["status"] or {}).get("id") != number]
        self.notifications = kept

    def html(self, text: str) -> str:
        names = re.sub(r"(@\w+)@[\w.]+", r"\1", text)
        return f"<p>{escape(names, quote=False).replace(chr(10), '<br />')}</p>"

    def named(self, text: str) -> list[dict[str, Any]]:
        found = [
            name.removesuffix(f"@{DOMAIN}") for name in re.findall(r"@(\w+(?:@[\w.]+)?)", text)
        ]
        return [{"id": row["id"], "acct": row["acct"]} for row in self.accounts.values()
                if row["acct"] in found]  # fmt: skip

    def posts_of(self, account: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in self.statuses.values() if row["account"]["id"] == account["id"]]

    def in_order(self) -> list[dict[str, Any]]:
        return sorted(self.statuses.values(), key=lambda row: int(row["id"]))


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    headers: Any
    files: dict[str, tuple[str, str, bytes]]

    def one(self, name: str) -> str:
        return (self.form.get(name) or self.query.get(name) or [""])[0]

    def many(self, name: str) -> list[str]:
        return self.form.get(f"{name}[]") or self.query.get(f"{name}[]") or []


class _Handler(BaseHTTPRequestHandler):
    network: MastodonServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        request = self._request()
        net = self.network
        net.asked.append(f"{request.method} {request.path}")
        fault = self._fault(f"{request.method} {request.path}")
        if fault and fault.what != "lost":
            self._fail(fault)
            return
        with net.lock:
            status, data = _answer(net, request)
        if fault:
            self._hang_up()
            return
        self._send(status, data)

    do_POST = do_PUT = do_DELETE = do_GET

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, form, files = self.headers.get("Content-Type") or "", {}, {}
        if kind.startswith("multipart/"):
            head = f"Content-Type: {kind}\r\n\r\n".encode()
            for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
                name = part.get_param("name", header="content-disposition")
                content = part.get_payload(decode=True)
                if part.get_filename():
                    files[name] = (part.get_filename(), part.get_content_type(), content)
                else:
                    form[name] = [content.decode()]
        else:
            form = parse_qs(body.decode(), keep_blank_values=True)
        path = parts.path.rstrip("/") or "/"
        return Request(self.command, path, parse_qs(parts.query), form, self.headers, files)

    def _fault(self, asked: str) -> Fault | None:
        for fault in self.network.faults:
            if fault.where in asked and fault.times > 0:
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def _fail(self, fault: Fault) -> None:
        if fault.what == "slow":
            time.sleep(3)
        elif fault.what == "closed":
            self._hang_up()
        elif fault.what == "torn":
            self._send(200, b'[{"id": "1", "access_token": "torn-tok')
        elif fault.what == "web page":
            self._send(200, b"<html>Back soon</html>")
        else:
            self._send(int(fault.what), fault.body or {"error": "Not <b>now</b>"}, fault.headers)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _send(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        reset = datetime.now(UTC) + timedelta(minutes=4)
        standard = {
            "Content-Type": "image/png" if body == PNG else "application/json",
            "X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "299",
            "X-RateLimit-Reset": reset.isoformat(), "Content-Length": str(len(body)),
        }  # fmt: skip
        if status == 302:
            standard["Location"] = str(data)
        self.send_response(status)
        for name, value in (standard | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


def _answer(net: MastodonServer, request: Request) -> Answer:
    """Find the route of a request and carry the request out."""
    for method, pattern, answer, is_open in _ROUTES:
        found = re.fullmatch(pattern, request.path)
        if found and method == request.method:
            token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
            if not is_open and token not in net.tokens:
                return 401, {"error": "The access token is invalid"}
            return answer(net, request, *found.groups())
    return 404, {"error": "Record not found"}


def _page(request: Request, rows: list[Any], most: int) -> list[Any]:
    """Return a page of rows, newest first, as `min_id`, `max_id` and `limit` say."""
    low, high = int(request.one("min_id") or 0), int(request.one("max_id") or 2**80)
    limit = min(int(request.one("limit") or 20), most)
    rows = sorted(
        (row for row in rows if low < int(row["id"]) < high), key=lambda row: int(row["id"])
    )
    return (rows[:limit] if request.one("min_id") else rows[-limit:])[::-1]


def _instance(net: MastodonServer, _request: Request) -> Answer:
    statuses = {"max_characters": net.max_characters, "max_media_attachments": 4}
    media = {"supported_mime_types": ["image/png"], "image_size_limit": 16777216,
             "description_limit": 1500}  # fmt: skip
    return 200, {"domain": DOMAIN, "version": "4.5.0", "title": "Example",
                 "configuration": {"statuses": statuses, "media_attachments": media}}  # fmt: skip


def _metadata(net: MastodonServer, _request: Request) -> Answer:
    if not net.has_pkce:
        return 404, {"error": "Record not found"}
    return 200, {"issuer": net.url, "code_challenge_methods_supported": ["S256"]}


def _app(net: MastodonServer, request: Request) -> Answer:
    client = f"client-{len(net.apps)}"
    net.apps[client] = {"secret": f"app-5ecret-{len(net.apps)}", "uri": request.one("redirect_uris"),
                        "scopes": request.one("scopes")}  # fmt: skip
    return 200, {"client_id": client, "client_secret": net.apps[client]["secret"]}


def _authorize(net: MastodonServer, request: Request) -> Answer:
    """Allow access at once, as if the user had pressed the button."""
    app = net.apps.get(request.one("client_id"))
    if app is None or app["uri"] != request.one("redirect_uri"):
        return 400, {"error": "invalid_request"}
    code = f"code-5ecret-{len(net.codes)}"
    net.codes[code] = {"client": request.one("client_id"), "scope": request.one("scope"),
                       "challenge": request.one("code_challenge")}  # fmt: skip
    query = urlencode({"code": code, "state": request.one("state")})
    return 302, f"{request.one('redirect_uri')}?{query}"


def _token(net: MastodonServer, request: Request) -> Answer:
    given = net.codes.pop(request.one("code"), None)
    refused = (400, {"error": "invalid_grant", "error_description": "The grant is invalid."})
    if given is None or net.apps[given["client"]]["secret"] != request.one("client_secret"):
        return refused
    digest = hashlib.sha256(request.one("code_verifier").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if given["challenge"] and given["challenge"] != challenge:
        return refused
    return 200, {"access_token": TOKEN, "token_type": "Bearer", "scope": given["scope"]}


def _me(net: MastodonServer, request: Request) -> Answer:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    return 200, net.accounts[net.tokens[token]]


def _notifications(net: MastodonServer, request: Request) -> Answer:
    kinds = request.many("types")
    rows = [row for row in net.notifications if not kinds or row["type"] in kinds]
    return 200, _page(request, rows, net.page_limit)


def _timeline(net: MastodonServer, request: Request, name: str) -> Answer:
    rows = [row for row in net.statuses.values() if row["visibility"] == "public"]
    if name.startswith("tag/"):
        rows = [row for row in rows if f"#{name[4:]}" in row["text"]]
    return 200, _page(request, rows, net.page_limit)


def _search(net: MastodonServer, request: Request) -> Answer:
    words = [word.strip('"') for word in re.findall(r'-?"[^"]*"|\S+', request.one("q"))]
    rows = [row for row in net.in_order()[::-1] if net.has_search and _has(row, words)]
    start = int(request.one("offset") or 0)
    return 200, {"accounts": [], "hashtags": [], "statuses": rows[start : start + 40]}


def _has(row: dict[str, Any], words: list[str]) -> bool:
    return all((word.lstrip("-") in row["text"]) != word.startswith("-") for word in words)


def _post(net: MastodonServer, request: Request) -> Answer:
    key, parent = request.headers.get("Idempotency-Key") or "", request.one("in_reply_to_id")
    if key and net.keys.get(key) in net.statuses:
        return 200, net.statuses[net.keys[key]]
    if parent and parent not in net.statuses:
        return 404, {"error": "Record not found"}
    if len(request.one("status")) > net.max_characters:
        message = f"Validation failed: Text character limit of {net.max_characters} exceeded"
        return 422, {"error": message}
    media = [net.media[number] for number in request.many("media_ids")]
    row = net.write(
        net.us, request.one("status"), to=parent, visibility=request.one("visibility"),
        spoiler_text=request.one("spoiler_text"), media_attachments=media,
        sensitive=request.one("sensitive") == "1",
    )  # fmt: skip
    net.sent.append({"key": key, "id": row["id"]})
    if key:
        net.keys[key] = row["id"]
    return 200, row


def _several(net: MastodonServer, request: Request) -> Answer:
    if not net.has_bulk:
        return 404, {"error": "Record not found"}
    if len(request.many("id")) > 20:
        return 422, {"error": "Validation failed"}
    return 200, [net.statuses[key] for key in request.many("id") if key in net.statuses]


def _on_status(
    act: Callable[[MastodonServer, Request, dict[str, Any]], Any],
) -> Callable[..., Answer]:
    def answer(net: MastodonServer, request: Request, number: str) -> Answer:
        row = net.statuses.get(number)
        return (200, act(net, request, row)) if row else (404, {"error": "Record not found"})

    return answer


def _context(net: MastodonServer, _request: Request, row: dict[str, Any]) -> Any:
    before, at = [], row
    while parent := net.statuses.get(at["in_reply_to_id"]):
        before.insert(0, parent)
        at = parent
    after, reached = [], {row["id"]}
    for one in net.in_order():
        if one["in_reply_to_id"] in reached:
            reached.add(one["id"])
            after.append(one)
    return {"ancestors": before, "descendants": after}


def _put(net: MastodonServer, request: Request, row: dict[str, Any]) -> Any:
    net.edit(row, request.one("status"))
    row["media_attachments"] = [net.media[number] for number in request.many("media_ids")]
    row |= {"spoiler_text": request.one("spoiler_text"), "mentions": net.named(row["text"])}
    return row


def _delete(net: MastodonServer, _request: Request, row: dict[str, Any]) -> Any:
    net.remove(row["id"])
    return row


def _like(net: MastodonServer, request: Request, row: dict[str, Any]) -> Any:
    (net.liked.discard if request.path.endswith("unfavourite") else net.liked.add)(row["id"])
    return row


def _upload(net: MastodonServer, request: Request) -> Answer:
    name, kind, content = request.files["file"]
    number = str(500 + len(net.media))
    net.media[number] = {"id": number, "type": "image", "url": None, "size": len(content),
                         "description": request.one("description"), "name": name, "mime": kind,
                         "polls": net.processing_polls}  # fmt: skip
    return (202 if net.processing_polls else 200), _processed(net, number)


def _processed(net: MastodonServer, number: str) -> dict[str, Any]:
    row = net.media[number]
    if row["polls"] <= 0:
        row["url"] = f"{net.url}/files/{number}.png"
    row["polls"] -= 1
    return dict(row)


def _block(net: MastodonServer, _request: Request, number: str) -> Answer:
    net.blocked.add(number)
    return 200, {"id": number, "blocking": True}


def _report(net: MastodonServer, request: Request) -> Answer:
    net.reports.append({"account": request.one("account_id"), "comment": request.one("comment"),
                        "statuses": request.many("status_ids")})  # fmt: skip
    return 200, {"id": str(len(net.reports))}


_S = r"/api/v1/statuses/(\d+)"
_ROUTES: list[tuple[str, str, Callable[..., Answer], bool]] = [
    ("GET", "/api/v2/instance", _instance, True),
    ("GET", "/.well-known/oauth-authorization-server", _metadata, True),
    ("POST", "/api/v1/apps", _app, True),
    ("GET", "/oauth/authorize", _authorize, True),
    ("POST", "/oauth/token", _token, True),
    ("GET", r"/files/\w+\.png", lambda net, request: (200, PNG), True),
    ("GET", "/api/v1/accounts/verify_credentials", _me, False),
    ("GET", r"/api/v1/accounts/(\d+)", lambda net, request, number: (200, net.accounts[number]), False),
    ("GET", r"/api/v1/accounts/(\d+)/statuses", lambda net, request, number: (
        200, _page(request, net.posts_of(net.accounts[number]), 40)), False),
    ("POST", r"/api/v1/accounts/(\d+)/block", _block, False),
    ("GET", "/api/v1/notifications", _notifications, False),
    ("GET", "/api/v1/timelines/(.+)", _timeline, False),
    ("GET", "/api/v2/search", _search, False),
    ("GET", "/api/v1/lists", lambda net, request: (200, list(net.lists.values())), False),
    ("GET", "/api/v1/followed_tags", lambda net, request: (
        200, [{"name": name} for name in net.followed_tags]), False),
    ("POST", "/api/v1/statuses", _post, False),
    ("GET", "/api/v1/statuses", _several, False),
    ("GET", _S, _on_status(lambda net, request, row: row), False),
    ("PUT", _S, _on_status(_put), False),
    ("DELETE", _S, _on_status(_delete), False),
    ("GET", f"{_S}/context", _on_status(_context), False),
    ("GET", f"{_S}/source", _on_status(lambda net, request, row: {
        name: row[name] for name in ("id", "text", "spoiler_text")}), False),
    ("POST", f"{_S}/(?:un)?favourite", _on_status(_like), False),
    ("POST", "/api/v2/media", _upload, False),
    ("GET", r"/api/v1/media/(\d+)", lambda net, request, number: (200, _processed(net, number)), False),
    ("POST", "/api/v1/reports", _report, False),
]  # fmt: skip
