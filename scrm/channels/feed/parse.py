"""Parse feeds and HTML pages.

`scrm.channels.feed.child` calls this module in the parser process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from scrm.channels.feed.elements import Unread, read_xml
from scrm.channels.feed.entries import Facts, entry_facts, feed_facts, raw_entry, written_dates
from scrm.channels.feed.json_feed import (
    is_json,
    item_facts,
    json_dates,
    json_feed_facts,
    read_json,
)  # fmt: skip
from scrm.channels.feed.keys import Identity, keys
from scrm.channels.feed.newest import newest
from scrm.channels.feed.page import feed_links
from scrm.channels.parser_process import Answer
from scrm.channels.unreadable import UNREADABLE
from scrm.text.decode import charset_of, decode

MAX_ENTRIES = 2_000
MAX_RAW_BYTES = 64 * 1024
_MAX_PAGE = 512 * 1024


def parse_feed(body: bytes, base: str = "", content_type: str = "") -> dict[str, Any]:
    """Return the contents of a feed as values that JSON can represent.

    The keys are `{"version", "title", "link", "ttl", "maker", "entries", "unreadable"}`. Each entry
    has the keys key, title, text, html, url, author, author_url, language, in_reply_to, raw (str),
    content_hash (of the raw title and text), occurred_at and edited_at (ISO 8601 or None).
    `version` is "" if the body is no feed. Of more than MAX_ENTRIES entries, the newest are
    returned; an item of `unreadable` says how many were left out.
    """
    text = decode(body, charset_of(content_type), markup=True).text
    now = datetime.now(UTC)
    if is_json(text):
        feed, bad = read_json(text)
        items, left_out = newest(feed.get("items", []), MAX_ENTRIES, json_dates)
        contents = _contents(
            json_feed_facts(feed), items, bad, base, lambda item: item_facts(item, feed, base, now)
        )
    else:
        parsed, bad, left_out = read_xml(text, base, MAX_ENTRIES)
        # Entries that `read_xml` did not count, because their tags are unusual.
        items, uncounted = newest(parsed.entries, MAX_ENTRIES, written_dates)
        left_out = left_out or uncounted
        contents = _contents(
            feed_facts(parsed), items, bad, base,
            lambda entry: entry_facts(entry, parsed, base, now),
        )  # fmt: skip
    if left_out:
        contents["unreadable"].append({"raw": "", "reason": left_out})
    return contents


def _contents(
    feed: Facts,
    entries: Sequence[Any],
    bad: Sequence[Unread],
    base: str,
    read: Callable[[Any], tuple[Facts, Identity]],
) -> dict[str, Any]:
    found: list[tuple[Facts, Identity]] = []
    unreadable = [_unreadable(source, reason) for source, reason in bad]
    for entry in entries:
        raw = ""
        try:
            raw = raw_entry(entry, MAX_RAW_BYTES)
            facts, identity = read(entry)
        except UNREADABLE as error:
            unreadable.append(_unreadable(raw, str(error)))
        else:
            found.append(({**facts, "raw": raw}, identity))
    found_keys = keys([identity for _facts, identity in found], (feed["link"], base))
    read_entries = [
        {"key": key, **facts} for key, (facts, _identity) in zip(found_keys, found, strict=True)
    ]
    return {**feed, "entries": read_entries, "unreadable": unreadable}


def _unreadable(raw: str, reason: str) -> dict[str, str]:
    return {
        "raw": raw[:MAX_RAW_BYTES],
        "reason": f"This entry cannot be read: {reason[:500]}",
    }


def parse_page(
    body: bytes,
    base: str = "",
    content_type: str = "",
) -> dict[str, Any]:
    """Return `{"links": [[address, title], …]}`: the feeds to which a page links."""
    page = decode(body[:_MAX_PAGE], charset_of(content_type), markup=True).text
    return {"links": feed_links(page, base)}


def feed(body: bytes, *, base: str, content_type: str) -> Answer:
    """Call `parse_feed` in the parser process."""
    return Answer(parse_feed(body, base, content_type))


def page(body: bytes, *, base: str, content_type: str) -> Answer:
    """Call `parse_page` in the parser process."""
    return Answer(parse_page(body, base, content_type))
