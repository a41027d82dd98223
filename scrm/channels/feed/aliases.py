"""Facts that identify an entry of a feed besides its id, which other software may change."""

from __future__ import annotations

import re
from datetime import datetime, time
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

_TRACKING = re.compile(r"(?i)(utm_[a-z0-9_]{1,40}|fbclid|gclid|mc_[ce]id)")


def aliases(
    *, url: str, title: str, text: str, author: str, occurred_at: datetime | None
) -> tuple[str, ...]:
    """Return strings that are the same for the same entry after its id has changed.

    Not the link alone: in some feeds, all entries link to one page. Not the title alone either:
    many entries can have the same title.
    """
    link, name, words = _link(url), _folded(title), _folded(text)
    found: list[tuple[str, ...]] = []
    if link and occurred_at:
        found.append(("link and date", link, name, occurred_at.isoformat()))
    if link and (name or words):
        found.append(("link and text", link, name, words, _folded(author)))
    # If only the day is stated, entries of one day can have the same title and date.
    if name and occurred_at and occurred_at.time() != time(0):
        found.append(("title and date", name, occurred_at.isoformat()))
    return tuple(sha256("\0".join(parts).encode()).hexdigest() for parts in found)


def _link(url: str) -> str:
    """Return the path of a link, without what a move changes: scheme, host, tracking parameters."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    query = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.fullmatch(pair[0])
    ]  # fmt: skip
    path = parts.path.rstrip("/")
    # The address of a whole site identifies no entry.
    if not (path or query or parts.fragment):
        return ""
    return f"{path}?{urlencode(sorted(query))}#{parts.fragment}"


def _folded(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
