"""Webhooks and the Activity API of the stand-in for X.

It checks an address (CRC) before it registers it, and sends signed events to it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.standins.x_routes import Refused, Request, XRoutes

SIGNATURE = "x-twitter-webhooks-signature"


class XEvents(XRoutes):
    """reach: a public address → the address of the test server behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.reach: dict[str, str] = {}
        self.most_webhooks = 1

    def app_token(self, request: Request) -> dict[str, str]:
        """Exchange the keys of an app for its bearer token."""
        login = request.headers.get("Authorization") or ""
        key, _, secret = base64.b64decode(login.removeprefix("Basic ")).decode().partition(":")
        if secret != self._secret_of(key) or request.body != b"grant_type=client_credentials":
            raise Refused(403, "Unable to verify your credentials")
        self.tokens[f"bearer-of-{key}-secret"] = "app"
        return {"token_type": "bearer", "access_token": f"bearer-of-{key}-secret"}

    def _secret_of(self, key: str) -> str:
        return next((row[1] for (app, _), row in self.keys.items() if app == key), "")

    def events_route(self, request: Request, who: str) -> Any:
        """Return the answer of an endpoint of webhooks or subscriptions; None for another one."""
        method, path = request.method, request.path
        if not path.startswith(("/2/webhooks", "/2/activity/subscriptions")):
            return None
        if (method, path) == ("POST", "/2/activity/subscriptions"):
            return {"data": {"subscription": self._subscribe(request.json, who)}}
        if who != "app":
            raise Refused(403, "This endpoint needs the token of an app.")
        rows = self.webhooks if path.startswith("/2/webhooks") else self.subscriptions
        if method == "GET":
            return {"data": list(rows.values()), "meta": {}}
        if method == "POST":
            return {"data": self._register(request)}
        number = path.rpartition("/")[2]
        if number not in rows:
            raise Refused(404, "Not Found")
        if method == "PUT":
            rows[number]["valid"] = self._is_ours(request, rows[number]["url"])
            return {"data": {"valid": rows[number]["valid"]}}
        del rows[number]
        return {"data": {"deleted": True}}

    def _register(self, request: Request) -> dict[str, Any]:
        url = request.json["url"]
        if not re.fullmatch(r"https://[^/:]+/.*", url):
            raise Refused(400, "UrlValidationFailed: the URL does not meet the requirements.")
        if len(self.webhooks) >= self.most_webhooks:
            raise Refused(400, "WebhookLimitExceeded: the maximum number of webhooks is reached.")
        if not self._is_ours(request, url):
            raise Refused(400, "CrcValidationFailed: the URL did not answer the check correctly.")
        number = self.snowflake()
        self.webhooks[number] = {"id": number, "url": url, "valid": True}
        return self.webhooks[number]

    def _is_ours(self, request: Request, url: str) -> bool:
        key = (request.headers.get("Authorization") or "")[17:].removesuffix("-secret")
        token = base64.b64encode(self.snowflake().encode()).decode()
        status, body = self._call("GET", f"{url}?crc_token={token}&nonce=x")
        expected = {"response_token": self.sign(key, token.encode())}
        return status == 200 and bool(json.loads(body) == expected)

    def _subscribe(self, asked: Any, who: str) -> dict[str, Any]:
        if asked["filter"] != {"user_id": who} or asked["webhook_id"] not in self.webhooks:
            raise Refused(403, "This event needs the login of the user.")
        number = self.snowflake()
        self.subscriptions[number] = {"subscription_id": number, **asked}
        return self.subscriptions[number]

    def sign(self, key: str, content: bytes) -> str:
        digest = hmac.new(self._secret_of(key).encode(), content, hashlib.sha256).digest()
        return f"sha256={base64.b64encode(digest).decode()}"

    def event(self, kind: str, user: str, number: str = "") -> bytes:
        """Return the body of an event."""
        data = {"event_uuid": number or self.snowflake(), "event_type": kind, "tag": "scrm",
                "filter": {"user_id": user}, "payload": {"id": "1", "text": "Hello"}}  # fmt: skip
        return json.dumps({"data": data}).encode()

    def report(self, kind: str, user: str, *, key: str = "key-of-app") -> list[int]:
        """Send an event to all that subscribed to it, and return the statuses of the answers."""
        body = self.event(kind, user)
        signed = {"Content-Type": "application/json", SIGNATURE: self.sign(key, body)}
        return [
            self._call("POST", self.webhooks[row["webhook_id"]]["url"], body, signed)[0]
            for row in self.subscriptions.values()
            if row["event_type"] == kind and row["filter"] == {"user_id": user}
        ]

    def _call(
        self, method: str, url: str, body: bytes | None = None, headers: Any = None
    ) -> tuple[int, bytes]:
        for public, local in self.reach.items():
            url = url.replace(public, local, 1)
        where = urlsplit(url)
        connection = HTTPConnection(where.netloc, timeout=10)
        try:
            connection.request(method, f"{where.path}?{where.query}", body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()
