"""A stand-in for the X API, written from its documentation: a real HTTP server on loopback.

It keeps users, posts, messages, media and logins in memory. `fault` makes the next matching request
fail. Ids are snowflakes, so they contain the time; the clock can be moved with `skew`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from oauthlib.oauth1.rfc5849 import signature

from scrm.channels.base import Credentials
from tests.standins.x_events import XEvents
from tests.standins.x_routes import PICTURE, Refused, Request

OUR_TOKEN, APP_TOKEN = "token-of-acme-secret", "token-of-app-secret"


@dataclass
class Fault:
    """How one request goes wrong. lost: it is carried out, but the answer does not arrive."""

    path: str = ""
    method: str = ""
    status: int = 0
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    torn: bool = False
    slow: float = 0.0
    after: int = 0


class XServer(XEvents):
    """The stand-in. Use it as a context manager; `url` is the base address of the API."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self._lock = RLock()
        for number, handle in (("100", "acme"), ("200", "ann"), ("300", "bob")):
            self.user(number, handle, public_metrics={"followers_count": int(number)})
        self.tokens |= {OUR_TOKEN: "100", APP_TOKEN: "app"}

    def account(self, **config: Any) -> Credentials:
        """Return the credentials of @acme, logged in with OAuth 2.0."""
        facts = {"api": self.url, "login": "oauth2", "access": "self-serve", "handle": "acme",
                 "sources": ["mentions", "quotes", "messages"]}  # fmt: skip
        secrets = {"access_token": OUR_TOKEN, "refresh_token": "refresh-secret"}
        return Credentials("x", "100", "@acme", secrets, facts | config)

    def __enter__(self) -> XServer:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def answer(self) -> None:
                server._answer(self)

            do_GET = do_POST = do_PUT = do_DELETE = answer

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def fault(self, path: str = "", **facts: Any) -> None:
        self.faults.append(Fault(path, **facts))

    def count(self, method: str, path: str) -> int:
        return sum(1 for r in self.requests if r.method == method and path in r.path)

    # HTTP

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        where = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(
            handler.command, where.path, dict(parse_qsl(where.query)), dict(handler.headers), body
        )
        with self._lock:
            self.requests.append(request)
            fault = self._fault(request)
            status, headers, content = self._result(request, fault)
        if fault and fault.slow:
            time.sleep(fault.slow)
        if fault and fault.lost:
            handler.close_connection = True
            return
        handler.send_response_only(status)
        limits = {"x-rate-limit-limit": "60", "x-rate-limit-remaining": "59",
                  "x-rate-limit-reset": str(int(self.now.timestamp()) + 900)}  # fmt: skip
        facts = {"Date": format_datetime(self.now, usegmt=True), "Content-Type": "application/json",
                 "x-access-level": self.access_level, **limits, **headers}  # fmt: skip
        for name, value in facts.items():
            handler.send_header(name, value)
        torn = fault is not None and fault.torn
        handler.send_header("Content-Length", str(len(content) + (50 if torn else 0)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if torn else content)
        handler.close_connection = torn or handler.close_connection

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.path in request.path and fault.method in ("", request.method):
                if fault.after:
                    fault.after -= 1
                    return None
                self.faults.remove(fault)
                return fault
        return None

    def _result(self, request: Request, fault: Fault | None) -> tuple[int, dict[str, str], bytes]:
        if fault and fault.status:
            return fault.status, fault.headers, fault.body
        if request.path.startswith("/media/"):
            return 200, {"Content-Type": "image/png"}, PICTURE
        try:
            status, content = self._route(request)
        except Refused as refused:
            status = refused.status
            content = {"title": "Error", "detail": refused.detail, "type": refused.kind,
                       "status": status}  # fmt: skip
        if status == 302:
            return status, {"Location": content["location"]}, b""
        return status, {}, json.dumps(content).encode()

    def _route(self, request: Request) -> tuple[int, Any]:
        path, method = request.path, request.method
        if path == "/i/oauth2/authorize":
            return 302, {"location": self._authorize(request.query)}
        if path == "/2/oauth2/token":
            return 200, self._exchange(request)
        if path == "/oauth2/token":
            return 200, self.app_token(request)
        who = self._who(request)
        if (answer := self.events_route(request, who)) is not None:
            return 200, answer
        if method == "GET":
            return 200, self._get(request, path, who)
        if not who or who == "app":
            raise Refused(403, "This endpoint needs a user.")
        return (201 if method == "POST" else 200), self._change(request, path, who)

    def _who(self, request: Request) -> str:
        """Return the user that a request is signed for, or "app"."""
        login = request.headers.get("Authorization") or ""
        if login.startswith("Bearer ") and login[7:] in self.tokens:
            return self.tokens[login[7:]]
        if login.startswith("OAuth "):
            facts = dict(re.findall(r'(\w+)="([^"]*)"', login))
            pair = (unquote(facts["oauth_consumer_key"]), unquote(facts["oauth_token"]))
            if pair in self.keys:
                user, secret, token_secret = self.keys[pair]
                if self._signed(request, login, secret, token_secret) == unquote(
                    facts["oauth_signature"]
                ):
                    return user
        raise Refused(401, "Unauthorized")

    def _signed(self, request: Request, login: str, secret: str, token_secret: str) -> str:
        query = urlencode(request.query)
        parameters = signature.collect_parameters(query, [], {"Authorization": login})
        base = signature.signature_base_string(
            request.method, signature.base_string_uri(f"{self.url}{request.path}"),
            signature.normalize_parameters(parameters),
        )  # fmt: skip
        digest = hmac.new(f"{secret}&{token_secret}".encode(), base.encode(), hashlib.sha1)
        return base64.b64encode(digest.digest()).decode()
