"""What is sent along a chain of redirects: cookies, and headers that reveal nothing."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from types import SimpleNamespace
from typing import Any

# Only the cookies of requests are used; nothing is opened.
import requests  # noqa: TID251
from requests.cookies import (  # noqa: TID251
    RequestsCookieJar,
    extract_cookies_to_jar,
    get_cookie_header,
)

REDIRECTS = {301, 302, 303, 307, 308}
PERMANENT = {301, 308}
_HARMLESS = {
    "accept", "accept-encoding", "accept-language", "if-modified-since", "if-none-match",
    "user-agent",
}  # fmt: skip
"""Headers that may be sent to another host. Any other may be a secret, such as X-Api-Key."""


def harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that may be sent to another host."""
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


class ChainCookies:
    """The cookies of one fetch. They are forgotten after it."""

    def __init__(self) -> None:
        self._jar = RequestsCookieJar()

    def keep(self, url: str, headers: Any) -> None:
        """Store the cookies that an answer sets. headers: those of urllib3."""
        message = Message()
        for value in headers.getlist("Set-Cookie"):
            message["Set-Cookie"] = value
        answer = SimpleNamespace(_original_response=SimpleNamespace(msg=message))
        extract_cookies_to_jar(  # type: ignore[no-untyped-call]
            self._jar, requests.Request("GET", url).prepare(), answer
        )

    def add_to(self, headers: Mapping[str, str], url: str) -> dict[str, str]:
        """Return the headers with the cookies for this address, after a cookie of the caller."""
        if not len(self._jar):
            return dict(headers)
        request = requests.Request("GET", url).prepare()
        stored = get_cookie_header(self._jar, request)  # type: ignore[no-untyped-call]
        own = next((value for name, value in headers.items() if name.lower() == "cookie"), "")
        others = {name: value for name, value in headers.items() if name.lower() != "cookie"}
        cookie = "; ".join(part for part in (own, stored) if part)
        return {**others, "Cookie": cookie} if cookie else others
