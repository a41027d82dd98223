"""Events of X: its Activity API (version 2) reports mentions and direct messages to our webhook.

X calls our address in two ways: it checks the address with a random token (CRC), and it sends
events. Both are proved by an HMAC-SHA256 with the API key secret of the app.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.events import Event
from scrm.channels.x.client import API, XClient, client_of
from scrm.channels.x.errors import Gone
from scrm.channels.x.listen import MENTIONS, MESSAGES
from scrm.channels.x.oauth import app_token

SIGNATURE = "x-twitter-webhooks-signature"
SOURCE_OF = {"post.mention.create": MENTIONS, "dm.received": MESSAGES}
"""The type of an event → the address of the source that has something new."""
_KEYS = ("api_key", "api_key_secret", "access_token", "access_token_secret")
_TOKEN = re.compile(r"[A-Za-z0-9_+/=-]{1,200}")
_NUMBER = re.compile(r"[0-9]{1,19}")
_MAX_KEY = 100


class XEvents:
    usage: Mapping[str, int] = {"activity event": 1}
    addresses = tuple(SOURCE_OF.values())

    def obstacle(self, credentials: Credentials, url: str) -> str:
        where = urlsplit(url)
        if where.scheme != "https" or where.port is not None:
            return _("X sends events only to a public https address without a port number.")
        if not all(credentials.secrets.get(name) for name in _KEYS):
            return _(
                "X signs events with the keys of the app. Reconnect the account with the login "
                "“Keys of the app and the account (OAuth 1.0a)”."
            )
        return ""

    def challenge(self, credentials: Credentials, query: Mapping[str, str]) -> Json | None:
        token = query.get("crc_token", "")
        # The answer is a signature of the token. If the token could be any text, it could be an
        # event, and everybody could let us sign it.
        if not _secret(credentials) or not _TOKEN.fullmatch(token):
            return None
        return {"response_token": _signature(credentials, token.encode())}

    def is_signed(self, credentials: Credentials, body: bytes, headers: Mapping[str, str]) -> bool:
        given = headers.get(SIGNATURE, "").encode()
        expected = _signature(credentials, body).encode()
        return bool(_secret(credentials)) and hmac.compare_digest(given, expected)

    def read(self, credentials: Credentials, body: bytes) -> Event:
        data = _event_of(body)
        key, kind, of = data.get("event_uuid"), data.get("event_type"), data.get("filter")
        if not isinstance(key, str) or not 0 < len(key) <= _MAX_KEY or not key.isprintable():
            raise ValueError(f"event_uuid: expected a text of 1 to {_MAX_KEY} characters")
        if not isinstance(of, dict) or of.get("user_id") != credentials.self_key:
            raise ValueError("filter.user_id: expected the number of this account on X")
        return Event(key, SOURCE_OF.get(kind, "") if isinstance(kind, str) else "")

    def start(self, credentials: Credentials, url: str) -> str:
        app = _app(credentials)
        webhook = _registered(app, url)
        user, existing = client_of(credentials), _subscriptions(app, webhook)
        held = {(row.get("event_type"), _user_of(row)) for row in existing}
        sources = credentials.config.get("sources") or ()
        for kind, address in SOURCE_OF.items():
            if address in sources and (kind, credentials.self_key) not in held:
                user.request("POST", "/2/activity/subscriptions", json={
                    "event_type": kind, "filter": {"user_id": credentials.self_key},
                    "webhook_id": webhook, "tag": "scrm",
                })  # fmt: skip
        return webhook

    def stop(self, credentials: Credentials, registration: str) -> None:
        app = _app(credentials)
        for row in _subscriptions(app, registration):
            _remove(app, f"/2/activity/subscriptions/{_number(row.get('subscription_id'))}")
        _remove(app, f"/2/webhooks/{_number(registration)}")


def _secret(credentials: Credentials) -> str:
    return str(credentials.secrets.get("api_key_secret") or "")


def _signature(credentials: Credentials, content: bytes) -> str:
    digest = hmac.new(_secret(credentials).encode(), content, hashlib.sha256).digest()
    return f"sha256={base64.b64encode(digest).decode()}"


def _event_of(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise ValueError("body: expected JSON in UTF-8") from None
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, dict):
        raise ValueError("data: expected an event of X's Activity API")
    return data


def _app(credentials: Credentials) -> XClient:
    """Return a client that acts for the app and not for a user, as webhooks require it."""
    api = str(credentials.config.get("api") or API)
    return XClient({"bearer_token": app_token(credentials)}, api=api)


def _registered(app: XClient, url: str) -> str:
    """Return the id of the webhook with this address. Register it, or let X check it again."""
    rows = app.request("GET", "/2/webhooks").rows
    known = next((row for row in rows if isinstance(row, dict) and row.get("url") == url), None)
    if known is None:
        return _number(app.request("POST", "/2/webhooks", json={"url": url}).row.get("id"))
    if known.get("valid") is not True:
        app.request("PUT", f"/2/webhooks/{_number(known.get('id'))}")
    return _number(known.get("id"))


def _subscriptions(app: XClient, webhook: str) -> list[dict[str, Any]]:
    rows = app.request("GET", "/2/activity/subscriptions").rows
    return [row for row in rows if isinstance(row, dict) and row.get("webhook_id") == webhook]


def _user_of(row: Mapping[str, Any]) -> Any:
    of = row.get("filter")
    return of.get("user_id") if isinstance(of, dict) else None


def _remove(app: XClient, path: str) -> None:
    try:
        app.request("DELETE", path)
    except Gone:
        return  # somebody removed it in X's developer console


def _number(value: Any) -> str:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return value
    raise ChannelError("X did not return the number of the webhook or subscription.")
