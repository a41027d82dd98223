"""The keys of the entries of a feed, which stay the same from one fetch to the next.

The key of an entry is its id, or else its link. But some programs give all entries one id, or all
of them the link of the site. Then the key is made from the words of the entry.

An entry keeps its key if a second entry with its id or link appears. If three or more entries share
it, none uses it as its key: otherwise the key would pass to another entry when the oldest leaves.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

_MAX_KEY = 500


@dataclass(frozen=True, slots=True)
class Identity:
    """What may identify an entry: its id, its link, its title, its text, its dates as written,
    and when it was published.

    may_be_revised: whether several entries with one id can be versions of one entry, as in Atom.
    """

    id: str
    link: str
    title: str
    text: str
    dates: str = ""
    at: datetime | None = None
    may_be_revised: bool = False


def keys(entries: list[Identity], site: Iterable[str]) -> Iterator[str]:
    """Return the key of each entry.

    site: the addresses of the site and of the feed, which are the link of no single entry.
    """
    home = {_place(address) for address in site}
    by_id, by_link, by_words = defaultdict(list), defaultdict(list), defaultdict(set)
    for entry in entries:
        by_id[entry.id].append(entry)
        by_link[entry.link].append(entry)
        by_words[_words(entry)].add(entry.dates)
    for entry in entries:
        same_id, same_link = by_id[entry.id], by_link[entry.link]
        has_own_link = _is_own(_place(entry.link), home)
        if entry.id and (_is_one(same_id, has_own_link) or _is_older(entry, same_id)):
            yield short_key(entry.id)
        elif has_own_link and (_is_one_text(same_link) or _is_older(entry, same_link)):
            yield short_key(entry.link)
        elif len(by_words[_words(entry)]) > 1:
            yield digest(*_words(entry), entry.dates)
        else:
            yield digest(*_words(entry))


def short_key(key: str) -> str:
    """Return the key. If the key is too long for a database index, return its hash."""
    key = key.strip()
    return key if len(key) <= _MAX_KEY else "sha256:" + digest(key)


def digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _is_one(entries: list[Identity], has_own_link: bool) -> bool:
    """Return whether all entries with an id are one entry, perhaps in several versions."""
    first = entries[0]
    if any(entry.link != first.link for entry in entries):
        return False
    has_one_title = all(entry.title == first.title for entry in entries)
    is_revised = first.may_be_revised and (has_own_link or (has_one_title and bool(first.title)))
    return is_revised or _is_one_text(entries)


def _is_older(entry: Identity, entries: list[Identity]) -> bool:
    """Return whether an entry is the older one of two with the same id or link."""
    if len(entries) != 2 or entry.at is None:
        return False
    other = entries[1] if entry is entries[0] else entries[0]
    return other.at is not None and entry.at < other.at


def _is_one_text(entries: list[Identity]) -> bool:
    return len({_words(entry) for entry in entries}) == 1


def _words(entry: Identity) -> tuple[str, str]:
    return entry.title, entry.text


def _place(address: str) -> str:
    """Return an address without its scheme and without a slash at the end of its path."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return address
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}?{parts.query}#{parts.fragment}"


def _is_own(place: str, home: set[str]) -> bool:
    """Return whether a place is neither the site, nor the feed, nor the first page of a host."""
    return place not in home and ("/" in place or not place.endswith("?#"))
