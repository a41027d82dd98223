"""Web addresses that contain a secret, such as the token of a private feed.

A parameter of the query is a secret if its name says so, for example `token` or `api_key`, and if
its value has at least eight characters. On Reddit, `feed` is the token of a user's feeds. A secret
in the path cannot be recognised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus

from scrm.db.encrypted import stamp

_NAMES = (
    r"[\w.-]{0,40}(?:token|secret|password|passwd)|sig|signature"
    r"|(?:api|rss|feed|auth|access|private|user)[_-]?key"
)
_VALUE = r")=)(?P<value>[^&;#\s]{8,2000})"
_SECRET = re.compile(rf"(?i)(?P<name>[?&;](?:{_NAMES}{_VALUE}")
_SECRET_ON_REDDIT = re.compile(rf"(?i)(?P<name>[?&;](?:feed|{_NAMES}{_VALUE}")
_ON_REDDIT = re.compile(r"(?i)\s*(?:https?://)?(?:[\w-]{1,60}\.)?reddit\.com(?:[:/?]|\Z)")
_HIDDEN = "***"
MARK = r"\*{3}[0-9a-f]{6}"
"""What `separate` writes in place of a secret."""


def without_secrets(address: str) -> str:
    """Return the address with `***` in place of each secret, for messages and logs."""
    return _pattern(address).sub(rf"\g<name>{_HIDDEN}", address)


def separate(address: str) -> tuple[str, dict[str, str]]:
    """Return the address with a mark in place of each secret, and the secret of each mark.

    A mark, such as `***3f9a2c`, contains a short signature of the secret. So addresses that differ
    only in their secrets stay different.
    """
    secrets: dict[str, str] = {}

    def hide(found: re.Match[str]) -> str:
        mark = f"{_HIDDEN}{stamp(found['value'])[:6]}"
        secrets[mark] = found["value"]
        return found["name"] + mark

    return _pattern(address).sub(hide, address), secrets


def join(shown: str, secrets: Mapping[str, str]) -> str:
    """Return the address that `separate` has separated."""
    for mark, secret in secrets.items():
        shown = shown.replace(f"={mark}", f"={secret}")
    return shown


def purge(content: bytes, secrets: Mapping[str, str]) -> bytes:
    """Return an answer of a server without the secrets. Servers repeat them in links."""
    for mark, secret in secrets.items():
        for written in {secret, unquote_plus(secret), quote(unquote_plus(secret), safe="")}:
            content = content.replace(written.encode(), mark.encode())
    return content


def _pattern(address: str) -> re.Pattern[str]:
    return _SECRET_ON_REDDIT if _ON_REDDIT.match(address) else _SECRET
