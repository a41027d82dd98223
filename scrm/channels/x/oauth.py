"""The OAuth 2.0 login of X with PKCE, and the renewal of its tokens, which live two hours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.connector import Authorization, Callback, ConnectError, Renewed
from scrm.channels.x.client import API, SECONDS, encrypted_or_local
from scrm.channels.x.errors import parsed, refusal, server_time
from scrm.net import http

SCOPES = (
    "tweet.read tweet.write users.read dm.read dm.write like.write tweet.moderate.write "
    "media.write offline.access"
)
_SITE = "https://x.com"
_TOKEN, _APP_TOKEN = "/2/oauth2/token", "/oauth2/token"
_LONGEST_LIFE = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer to a login or renewal. scopes: what the tokens allow; empty if X did not say."""

    secrets: dict[str, str] = field(repr=False)
    expires_at: datetime | None
    scopes: tuple[str, ...]


def authorization(api: str, client_id: str, callback: Callback, kept: Json) -> Authorization:
    """Return the page of X on which the user allows access."""
    verifier = random.token_urlsafe(64)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": callback.url,
        "scope": SCOPES,
        "state": callback.state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    # A stand-in of the API has its login page at the same address.
    site = _SITE if api == API else api
    url = f"{site}/i/oauth2/authorize?{urlencode(query, quote_via=quote)}"
    return Authorization(url, {**kept, "verifier": verifier})


def exchange(answer: Mapping[str, str], kept: Json, callback: Callback) -> Tokens:
    """Exchange the code that X returned for tokens. Raises ConnectError."""
    if not hmac.compare_digest(answer.get("state", "").encode(), callback.state.encode()):
        raise ConnectError(("", "The answer of X does not belong to this login. Start again."))
    if not answer.get("code"):
        raise ConnectError(("", "Access was not allowed on X. Start again and allow it."))
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": callback.url,
        "code_verifier": str(kept["verifier"]),
    }
    try:
        return _ask(str(kept["api"]), str(kept["client_id"]), kept.get("client_secret"), form)
    except ChannelError as error:
        raise ConnectError(("client_id", error.message)) from error


def renew(credentials: Credentials) -> Renewed:
    """Exchange the refresh token for new tokens; X then refuses the old one."""
    held = credentials.secrets
    if not held.get("refresh_token"):
        if credentials.config.get("login") != "oauth2":
            return Renewed(held)
        raise ChannelError(
            "X gave this login no refresh token. Connect the account again.", permanent=True
        )
    form = {"grant_type": "refresh_token", "refresh_token": str(held["refresh_token"])}
    api = encrypted_or_local(str(credentials.config.get("api") or API))
    client_id = str(credentials.config.get("client_id", ""))
    tokens = _ask(api, client_id, held.get("client_secret"), form)
    return Renewed({**held, **tokens.secrets}, tokens.expires_at)


def app_token(credentials: Credentials) -> str:
    """Return the token of the app whose keys the account has. Raises ChannelError."""
    held = credentials.secrets
    api = encrypted_or_local(str(credentials.config.get("api") or API))
    key, secret = str(held.get("api_key", "")), held.get("api_key_secret")
    form = {"grant_type": "client_credentials"}
    return _ask(api, key, secret, form, path=_APP_TOKEN).secrets["access_token"]


def _ask(
    api: str, client_id: str, client_secret: Any, form: dict[str, str], *, path: str = _TOKEN
) -> Tokens:
    """Request tokens. An app with a secret proves itself by it, others only name themselves."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if client_secret:
        pair = f"{quote(client_id, safe='')}:{quote(str(client_secret), safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form = {**form, "client_id": client_id}
    try:
        response = http.fetch(
            f"{api}{path}", method="POST", headers=headers, body=urlencode(form).encode(),
            deadline=SECONDS,
        )  # fmt: skip
    except http.HttpError as error:
        raise ChannelError(error.message) from error
    body = parsed(response.body)
    now = server_time(response.headers, datetime.now(UTC))
    if response.status in (400, 401, 403):
        raise ChannelError(
            f"X does not accept this login any more ({response.status}). Connect the account "
            "again, and check the client ID and secret.",
            permanent=True,
        )
    if not 200 <= response.status < 300:
        raise refusal(response.status, response.headers, body, changes=False, now=now)
    return _tokens(body)


def _tokens(body: Any) -> Tokens:
    token = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token:
        raise ChannelError("X returned no token.")
    secrets = {"access_token": token}
    if isinstance(body.get("refresh_token"), str):
        secrets["refresh_token"] = body["refresh_token"]
    life, scope = body.get("expires_in"), body.get("scope")
    known = isinstance(life, int) and 0 < life < _LONGEST_LIFE
    # By our own clock, because the app compares the time with it.
    expires_at = datetime.now(UTC) + timedelta(seconds=life) if known else None
    return Tokens(secrets, expires_at, tuple(scope.split()) if isinstance(scope, str) else ())
