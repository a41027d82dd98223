"""The routes of the stand-in for a Mastodon server."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import regex

if TYPE_CHECKING:
    from tests.standins.mastodon import MastodonServer

DOMAIN = "mastodon.example"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
TOKEN = "tok-5ecret-ofus"
Answer = tuple[int, Any]


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


def answer(net: MastodonServer, request: Request) -> Answer:
    """Find the route of a request and carry the request out."""
    for method, pattern, respond, is_open in _ROUTES:
        found = re.fullmatch(pattern, request.path)
        if found and method == request.method:
            token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
            if not is_open and token not in net.tokens:
                return 401, {"error": "The access token is invalid"}
            return respond(net, request, *found.groups())
    return 404, {"error": "Record not found"}


def text_length(text: str) -> int:
    """Return the number of graphemes of a text."""
    return len(regex.findall(r"\X", text))


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
    net.apps[client] = {
        "secret": f"app-5ecret-{len(net.apps)}",
        "uri": request.one("redirect_uris"),
        "scopes": request.one("scopes"),
    }
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
    rows = [
        {name: value for name, value in row.items() if name != "filtered"}
        for row in net.notifications
        if (not kinds or row["type"] in kinds)
        and (request.one("include_filtered") == "true" or not row["filtered"])
    ]
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
    # Filtered statuses are removed after the page was cut, so that a page can be short or empty.
    page = [row for row in rows[start : start + 40] if row["id"] not in net.hidden]
    return 200, {"accounts": [], "hashtags": [], "statuses": page}


def _has(row: dict[str, Any], words: list[str]) -> bool:
    return all((word.lstrip("-") in row["text"]) != word.startswith("-") for word in words)


def _quote_refusal(quoted: dict[str, Any] | None, request: Request) -> Answer | None:
    if quoted is None:
        return 404, {"error": "Record not found"}
    if quoted["quote_approval"]["current_user"] == "denied":
        return 422, {"error": "Validation failed: You are not allowed to quote this post"}
    if request.many("media_ids"):
        return 422, {"error": "Validation failed: Quoted status is not allowed with media"}
    return None


def _post(net: MastodonServer, request: Request) -> Answer:
    key, parent = request.headers.get("Idempotency-Key") or "", request.one("in_reply_to_id")
    if key and net.keys.get(key) in net.statuses:
        return 200, net.statuses[net.keys[key]]
    if parent and parent not in net.statuses:
        return 404, {"error": "Record not found"}
    quoted = net.statuses.get(request.one("quoted_status_id"))
    if request.one("quoted_status_id") and (refusal := _quote_refusal(quoted, request)):
        return refusal
    counted = request.one("spoiler_text") + net.counted(request.one("status"))
    if text_length(counted) > net.max_characters:
        message = f"Validation failed: Text character limit of {net.max_characters} exceeded"
        return 422, {"error": message}
    media = [net.media[number] for number in request.many("media_ids")]
    facts = net.quote_of(quoted, request.one("status")) if quoted else {}
    row = net.write(
        net.us, request.one("status"), to=parent, visibility=request.one("visibility"),
        spoiler_text=request.one("spoiler_text"), media_attachments=media,
        sensitive=request.one("sensitive") == "1", **facts,
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
    def respond(net: MastodonServer, request: Request, number: str) -> Answer:
        row = net.statuses.get(number)
        return (200, act(net, request, row)) if row else (404, {"error": "Record not found"})

    return respond


def _context(net: MastodonServer, _request: Request, row: dict[str, Any]) -> Any:
    before: list[dict[str, Any]] = []
    at = row
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
    ("GET", r"/api/v1/accounts/(\d+)", lambda net, request, number: (
        200, net.accounts[number]), False),
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
    ("GET", r"/api/v1/media/(\d+)", lambda net, request, number: (
        200, _processed(net, number)), False),
    ("POST", "/api/v1/reports", _report, False),
]  # fmt: skip
