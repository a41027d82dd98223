"""A stand-in for a Mastodon server: it keeps accounts, posts and logins, and fails on request.

It is written from the API documentation at docs.joinmastodon.org.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.standins.mastodon_routes import DOMAIN, PNG, TOKEN, Request, answer

MENTION = re.compile(r"(?<![=/\w])@([a-z0-9_]+(?:[.-]+[a-z0-9_]+)*)(?:@\w+(?:[.-]+\w+)*)?", re.I)
"""A mention as Mastodon recognises it (`Account::MENTION_RE`)."""

__all__ = ["DOMAIN", "PNG", "TOKEN", "Fault", "MastodonServer"]


@dataclass
class Fault:
    """A fault of the next requests whose method and path contain `where`.

    what: a status to answer with; "torn", "web page", "slow", "drip" or "closed"; "lost": the
    request is carried out, but its answer is lost; "late": in addition, it is carried out only
    half a second later; "cut": its answer breaks off in the middle.
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
        self.hidden: set[str] = set()
        self.reports: list[dict[str, Any]] = []
        self.liked: set[str] = set()
        self.followed_tags = ["cats"]
        self.follows: set[str] = set()
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
                "quote_approval": {"automatic": ["public"], "manual": [],
                                   "current_user": "automatic"},
            } | facts  # fmt: skip
            if any(one["id"] == self.us["id"] for one in self.named(text)):
                self.notify("mention", self.statuses[number])
            return self.statuses[number]

    def notify(self, kind: str, status: dict[str, Any] | None) -> None:
        number = str(int(self.notifications[-1]["id"]) + 1 if self.notifications else 9)
        self.notifications.append({"id": number, "type": kind, "status": status,
                                   "account": status and status["account"],
                                   "filtered": self._is_filtered(status)})  # fmt: skip

    def _is_filtered(self, status: dict[str, Any] | None) -> bool:
        """Whether the default policy of Mastodon 4.3 filters a notification.

        It filters private mentions of people whom we neither follow nor addressed first.
        """
        if status is None or status["visibility"] != "direct":
            return False
        answered = self.statuses.get(status["in_reply_to_id"] or "")
        is_answer = answered is not None and answered["account"]["id"] == self.us["id"]
        return not is_answer and status["account"]["id"] not in self.follows

    def edit(self, status: dict[str, Any], text: str) -> None:
        at = datetime.now(UTC) + timedelta(milliseconds=len(text))
        status |= {"text": text, "content": self.html(text), "edited_at": at.isoformat()}

    def remove(self, number: str) -> None:
        self.statuses.pop(number, None)
        kept = [one for one in self.notifications if (one["status"] or {}).get("id") != number]
        self.notifications = kept

    def quote_of(self, status: dict[str, Any], text: str) -> dict[str, Any]:
        """Return what a new post shows of the post that it quotes."""
        is_open = status["quote_approval"]["current_user"] == "automatic"
        link = f'<a href="{status["url"]}"><span>https://</span>{DOMAIN}</a>'
        return {
            "quote": {"state": "accepted" if is_open else "pending", "quoted_status": status},
            "content": f'<p class="quote-inline">RE: {link}</p>{self.html(text)}',
        }

    def html(self, text: str) -> str:
        names = MENTION.sub(r"@\1", text)
        return f"<p>{escape(names, quote=False).replace(chr(10), '<br />')}</p>"

    def counted(self, text: str) -> str:
        """Return the text with the form of its links and mentions that the server counts."""
        return MENTION.sub(r"@\1", re.sub(r"https?://\S+", "x" * 23, text))

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


class _Handler(BaseHTTPRequestHandler):
    network: MastodonServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        request = self._request()
        net = self.network
        net.asked.append(f"{request.method} {request.path}")
        fault = self._fault(f"{request.method} {request.path}")
        if fault and fault.what == "late":
            threading.Timer(0.5, self._carry_out, [request]).start()
            self._hang_up()
            return
        if fault and fault.what not in ("lost", "cut"):
            self._fail(fault)
            return
        status, data = self._carry_out(request)
        if fault and fault.what == "cut":
            self._send(status, data, {"Content-Length": "99999"})
        if fault:
            self._hang_up()
            return
        self._send(status, data)

    def _carry_out(self, request: Request) -> tuple[int, Any]:
        with self.network.lock:
            return answer(self.network, request)

    do_POST = do_PUT = do_DELETE = do_GET

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type") or ""
        form: dict[str, list[str]] = {}
        files: dict[str, tuple[str, str, bytes]] = {}
        if kind.startswith("multipart/"):
            head = f"Content-Type: {kind}\r\n\r\n".encode()
            for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
                name = str(part.get_param("name", header="content-disposition"))
                content = bytes(part.get_payload(decode=True) or b"")  # type: ignore[arg-type]
                if filename := part.get_filename():
                    files[name] = (filename, part.get_content_type(), content)
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
        elif fault.what == "drip":
            self._drip()
        elif fault.what == "closed":
            self._hang_up()
        elif fault.what == "torn":
            self._send(200, b'[{"id": "1", "access_token": "torn-tok')
        elif fault.what == "web page":
            self._send(200, b"<html>Back soon</html>")
        else:
            self._send(int(fault.what), fault.body or {"error": "Not <b>now</b>"}, fault.headers)

    def _drip(self) -> None:
        """Send a byte from time to time, for three seconds."""
        self._send(200, b"", {"Content-Length": "99999"})
        with suppress(OSError):
            for _ in range(15):
                self.wfile.write(b" ")
                time.sleep(0.2)
        self._hang_up()

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
