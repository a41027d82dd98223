"""Find a Mastodon server from what a user typed, log in there, and read the limits of a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.connector import Connected
from scrm.channels.mastodon.client import (
    SECONDS,
    Row,
    Server,
    checked_id,
    encrypted_or_local,
    is_local,
    network_of,
)
from scrm.channels.network_facts import MASTODON_MAX_LENGTH
from scrm.net import http


def find_server(typed: str) -> str:
    """Return the address of the server of "mastodon.example", a URL or "@us@mastodon.example".

    A server can redirect to the host that serves its pages. Raises ChannelError.
    """
    base = _base(typed)
    if not base:
        raise ChannelError("Enter the address of the server, such as mastodon.example.",
                           permanent=True)  # fmt: skip
    try:
        answer = http.fetch(f"{base}/api/v2/instance", deadline=SECONDS)
    except http.HttpError as error:
        raise ChannelError(error.message) from error
    parts = urlsplit(answer.url)
    found = encrypted_or_local(f"{parts.scheme}://{parts.netloc.lower()}")
    if not _is_mastodon(answer):
        raise ChannelError(
            f"There is no Mastodon server at {parts.netloc} ({answer.status}). If its web address "
            "differs from the part after the second @ of its accounts, enter the web address.",
            permanent=True,
        )
    return found


def _base(typed: str) -> str:
    text = typed.strip()
    if "://" not in text:
        text = f"https://{text.rpartition('@')[2]}"
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    if not parts.hostname:
        return ""
    scheme = "http" if is_local(text) else "https"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}"


def _is_mastodon(answer: http.Response) -> bool:
    """Whether the answer describes a server, or says that only users may ask for it."""
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(data, dict):
        return False
    if answer.status in (401, 403):
        return "error" in data
    return answer.status == 200 and "domain" in data and "configuration" in data


def log_in(base: str, token: str, known: Credentials | None) -> Connected:
    """Return the account that a token belongs to. Raises ChannelError."""
    server = Server.open(base, token)
    me = server.row(lambda api: api.account_verify_credentials())
    instance = server.row(lambda api: api.instance_v2())
    try:
        key = checked_id(me.get("id"))
    except ValueError as error:
        raise ChannelError(f"{server.host} does not say whose login this is.") from error
    domain = _short(instance.get("domain")) or server.host
    address = f"@{_short(me.get('acct'))}@{domain}"
    return Connected(
        network=network_of(base),
        self_key=key,
        address=address,
        secrets={"token": token},
        config={"api": base, "domain": domain, **limits(instance)},
        name=address,
        # A known account has its source already.
        sources_to_open={} if known else {"mentions": f"Mentions of {address}"},
    )


def limits(instance: Row) -> dict[str, Any]:
    """Return the limits of texts and files that the server states.

    max_length: the most characters. media: how many files a post may have (count), the most bytes
    of a picture (image_bytes), the most characters of a description, and the accepted types.
    """
    statuses = _part(instance, "configuration", "statuses")
    files = _part(instance, "configuration", "media_attachments")
    types = files.get("supported_mime_types")
    return {
        "max_length": _number(statuses.get("max_characters"), MASTODON_MAX_LENGTH),
        "media": {
            "count": _number(statuses.get("max_media_attachments"), 4),
            "image_bytes": _number(files.get("image_size_limit"), 8 * http.MEGABYTE),
            "description": _number(files.get("description_limit"), 1_500),
            "types": [str(one)[:100] for one in types[:100]] if isinstance(types, list) else [],
        },
    }


def _part(row: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        inner = row.get(name)
        row = inner if isinstance(inner, Mapping) else {}
    return row


def _number(value: Any, otherwise: int) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value < 1_000_000_000 else otherwise


def _short(value: Any) -> str:
    return value.strip()[:200] if isinstance(value, str) else ""
