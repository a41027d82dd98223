"""Sessions: log in with an app password, and renew the tokens before they expire.

The network limits logins (300 a day), so the refresh token is used as long as it works.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.bluesky.client import Client, Row, XrpcError
from scrm.channels.connector import Renewed

_UNKNOWN_LIFETIME = timedelta(minutes=30)


def log_in(server: str, identifier: str, password: str) -> Row:
    """Return the server's answer with both tokens. Raises ChannelError."""
    facts = {"identifier": identifier, "password": password}
    return _with_tokens(Client(server), "com.atproto.server.createSession", facts)


def renew(credentials: Credentials) -> Renewed:
    """Exchange the refresh token for new tokens; if it no longer works, log in again."""
    config, secrets = credentials.config, credentials.secrets
    pds = str(config.get("pds", ""))
    try:
        client = Client(pds, str(secrets.get("refresh", "")))
        if not client.access:
            raise XrpcError("The refresh token is missing.", "InvalidToken", permanent=True)
        answer = _with_tokens(client, "com.atproto.server.refreshSession", None)
    except XrpcError as error:
        if not (error.permanent or error.code == "ExpiredToken"):
            raise
        answer = _log_in_again(credentials)
    if answer.get("did") != credentials.self_key:
        raise ChannelError(
            "The server returned another account. Connect the account again.", permanent=True
        )
    return Renewed(secrets_of(secrets, answer), expiry(answer))


def _log_in_again(credentials: Credentials) -> Row:
    """Log in with the app password. Raises ChannelError, permanent if it was revoked."""
    server = str(credentials.config.get("server") or credentials.config.get("pds", ""))
    secrets = credentials.secrets
    # The DID is the same even after the handle was changed.
    name = credentials.self_key or str(secrets.get("identifier", ""))
    return log_in(server, name, str(secrets.get("password", "")))


def secrets_of(known: Json, answer: Row) -> dict[str, Any]:
    return {**known, "access": answer["accessJwt"], "refresh": answer["refreshJwt"]}


def expiry(answer: Row) -> datetime:
    """Return when the access token expires."""
    stated = claims(answer["accessJwt"]).get("exp")
    try:
        if isinstance(stated, int | float):
            return datetime.fromtimestamp(stated, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return datetime.now(UTC) + _UNKNOWN_LIFETIME


def claims(token: str) -> Row:
    """Return what a token states, without verifying it; empty if it cannot be read."""
    middle = f"{token}..".split(".")[1]
    try:
        found = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _with_tokens(client: Client, method: str, facts: Json | None) -> Row:
    answer = client.call(method, facts)
    for name in ("accessJwt", "refreshJwt", "did"):
        if not isinstance(answer.get(name), str) or not answer[name]:
            raise ChannelError(f"{client.host} returned something unexpected.")
    return answer
