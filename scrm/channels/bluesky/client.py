"""Client for the XRPC interface of a Bluesky server, with errors in plain English."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.net import http
from scrm.net.addresses import ascii_host
from scrm.text.clean import plain
from scrm.text.decode import decode

CHAT = "did:web:api.bsky.chat#bsky_chat"
"""The service for direct messages, which our own server forwards requests to."""
SECONDS = 20.0
_LONGEST_WAIT = 86_400.0
_CLOSED = {
    "AccountTakedown": "has been taken down",
    "AccountSuspended": "has been suspended",
    "AccountDeactivated": "is deactivated",
}
_NOT_OURS = {"InvalidToken", "AuthMissing", "AuthenticationRequired", "AuthRequired"}
_LOCAL = {"localhost", "127.0.0.1", "::1"}

Query = Mapping[str, str | int | Sequence[str]]
Row = dict[str, Any]


class XrpcError(ChannelError):
    """The server refused. code: the name that the network gives to the error, or ""."""

    def __init__(self, message: str, code: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.code = code


@dataclass(frozen=True, slots=True)
class Client:
    """A server and the access token of an account. pds: the address of the account's server."""

    pds: str
    access: str = field(default="", repr=False)

    @classmethod
    def of(cls, credentials: Credentials | None) -> Client:
        pds = str(credentials.config.get("pds", "")) if credentials else ""
        access = str(credentials.secrets.get("access", "")) if credentials else ""
        if not pds or not access:
            raise ChannelError("This Bluesky account is not connected. Connect it.", permanent=True)
        return cls(encrypted_or_local(pds), access)

    @property
    def host(self) -> str:
        return urlsplit(self.pds).netloc

    def get(self, method: str, query: Query | None = None, *, service: str = "") -> Row:
        return self._ask("GET", method, query=query or {}, service=service)

    def post(self, method: str, facts: Json | None, *, service: str = "") -> Row:
        """Send a change. If no answer arrives, raise ChannelError with `uncertain`."""
        return self._ask("POST", method, facts=facts, service=service, changes=True)

    def call(self, method: str, facts: Json | None = None) -> Row:
        """Send a POST request that publishes nothing, so that it can simply be repeated."""
        return self._ask("POST", method, facts=facts)

    def upload(self, content: bytes, content_type: str) -> Row:
        headers = {"Content-Type": content_type}
        return self._ask("POST", "com.atproto.repo.uploadBlob", body=content, headers=headers)

    def _ask(
        self,
        verb: str,
        method: str,
        *,
        query: Query | None = None,
        facts: Json | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        service: str = "",
        changes: bool = False,
    ) -> Row:
        url = f"{self.pds.rstrip('/')}/xrpc/{method}"
        if query:
            url = f"{url}?{urlencode(query, doseq=True, errors='replace')}"
        sent = {"Accept": "application/json", **(headers or {})}
        if self.access:
            sent["Authorization"] = f"Bearer {self.access}"
        if service:
            sent["atproto-proxy"] = service
        if facts is not None:
            sent["Content-Type"] = "application/json"
            body = json.dumps(facts).encode()
        try:
            response = http.fetch(url, method=verb, headers=sent, body=body, deadline=SECONDS)
        except http.HttpError as error:
            # The change surely did not reach the server only if no connection was opened.
            lost = changes and error.kind not in ("refused", "not found")
            raise ChannelError(error.message, uncertain=lost) from error
        return _answer(response, self.host, changes=changes, chat=service == CHAT)


def encrypted_or_local(url: str) -> str:
    """Return the address if a token may be sent there: it has https or is on this machine."""
    try:
        where = urlsplit(url)
        host, port = ascii_host(where.hostname or ""), where.port
    except ValueError:
        where, host, port = urlsplit(""), "", None
    if host and (where.scheme == "https" or (where.scheme == "http" and host in _LOCAL)):
        named = f"[{host}]" if ":" in host else host
        return f"{where.scheme}://{named}" + (f":{port}" if port else "")
    shown = plain(host or url)[:200]
    raise ChannelError(
        f"{shown} would receive the password unencrypted. Use an address with https.",
        permanent=True,
    )


def _answer(response: http.Response, host: str, *, changes: bool, chat: bool) -> Row:
    data = _json(response)
    found = data if isinstance(data, dict) else {}
    code = str(found.get("error", ""))[:100]
    if urlsplit(response.url).netloc != host or 300 <= response.status < 400:
        raise XrpcError(
            f"{host} redirects to another server. Connect the account again with its address.",
            code, permanent=True,
        )  # fmt: skip
    if response.status >= 400:
        words = " ".join(plain(str(found.get("message", ""))).split())[:300]
        raise _refused(response, host, code, words, changes=changes, chat=chat)
    if not isinstance(data, dict):
        raise ChannelError(f"{host} returned something unexpected.", uncertain=changes)
    return data


def _refused(
    response: http.Response, host: str, code: str, words: str, *, changes: bool, chat: bool
) -> XrpcError:
    status = response.status
    if status == 429:
        return XrpcError(
            f"{host} asks for less frequent requests (429).", code, retry_after=_wait(response)
        )
    if status in (408, 425) or (status >= 500 and status != 501):
        wait = _wait(response)
        return XrpcError(
            f"{host} has a server error ({status}).", code, retry_after=wait, uncertain=changes
        )
    if code == "ExpiredToken":
        return XrpcError(
            f"The session at {host} has expired. scrm renews it automatically.",
            code, retry_after=1,
        )  # fmt: skip
    return XrpcError(_why(host, status, code, words, chat=chat), code, permanent=True)


def _why(host: str, status: int, code: str, words: str, *, chat: bool) -> str:
    """Return the sentence for a refusal that would be repeated."""
    if code in _CLOSED:
        return f"The account at {host} {_CLOSED[code]}. Open it there, then connect it again."
    if chat and code == "InvalidToken":
        return (
            "The app password has no access to direct messages. Create one with this access at "
            "Bluesky and connect the account again."
        )
    if status == 401 or code in _NOT_OURS:
        return f"{host} does not accept this login any more ({status}). Connect the account again."
    return f"{host} refuses this: {words or code or 'no reason given'} ({status})."


def _json(response: http.Response) -> Any:
    """Return the parsed body; None if it is not JSON. An empty body means an empty object."""
    if not response.body.strip():
        return {}
    try:
        return json.loads(decode(response.body).text)
    except (ValueError, RecursionError):
        return None


def _wait(response: http.Response) -> float | None:
    """Return the seconds that the server asks us to wait.

    The reset time is compared with the server's own clock, because our clock may differ.
    """
    after = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", after):
        return min(float(after), _LONGEST_WAIT)
    reset = response.headers.get("ratelimit-reset", "").strip()
    if not re.fullmatch(r"[0-9]{1,12}", reset):
        return None
    try:
        now = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        now = time.time()
    return min(max(float(reset) - now, 1.0), _LONGEST_WAIT)
