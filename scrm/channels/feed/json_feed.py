"""Read JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scrm.channels.feed.dates import moment
from scrm.channels.feed.elements import Unread
from scrm.channels.feed.entries import (
    MAX_NAME,
    Facts,
    address,
    as_html,
    name,
    name_in,
    text_of,
)  # fmt: skip
from scrm.channels.feed.keys import Identity, digest
from scrm.text.brackets import escape_words
from scrm.text.clean import clean, plain

_VERSION = re.compile(r"(?i)https?://(?:www\.)?jsonfeed\.org/version/(1(?:\.\d)?)/?\Z")
_MAX_TEXT, _MAX_AUTHORS, _LONGEST_NUMBER = 300_000, 20, 400
_ITEMS = re.compile(r'"items"\s{0,99}:\s{0,99}\[')
_WRITTEN = ("title", "content_html", "content_text", "summary")
_COMMA = re.compile(r"[\s,]*+")
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_DEPTHS = {"{": 1, "[": 1, "}": -1, "]": -1}
_MAX_SKIPPED = 100
_DAMAGE = (ValueError, RecursionError)


def is_json(text: str) -> bool:
    return text.lstrip()[:1] == "{"


def read_json(text: str) -> tuple[dict[str, Any], list[Unread]]:
    """Return a JSON Feed, and the items that cannot be read.

    Returns {} if the text is no JSON Feed. A truncated feed is read up to the truncation.
    """
    found, bad = _load(text)
    if not _version(found) or not isinstance(found.get("items"), list):
        return {}, []
    return found, bad


def json_feed_facts(feed: Mapping[str, Any]) -> Facts:
    """Return the facts of the feed itself; `version` is "" if it is none."""
    return {
        "version": _version(feed),
        "title": name_in(feed, "title"),
        "link": address("", text_of(feed.get("home_page_url"))),
        "ttl": "",
        "maker": "",
    }


def item_facts(
    item: Any, feed: Mapping[str, Any], base: str, now: datetime
) -> tuple[Facts, Identity]:
    """Return the facts of an item without its key, and what identifies it.

    Raises one of UNREADABLE.
    """
    if not isinstance(item, dict):
        raise ValueError("it is no JSON object")
    html = _html(item)
    title = name(item.get("title"), is_plain=True)
    author, author_url = _authors(item) or _authors(feed) or (name_in(feed, "title"), "")
    dates = json_dates(item)
    at = moment(dates, now)
    edited = moment([text_of(item.get("date_modified"))], now)
    guid = text_of(item.get("id")).strip()
    url = address(base, text_of(item.get("url"))) or address(
        base, text_of(item.get("external_url"))
    )
    facts: Facts = {
        "title": title,
        "text": plain(html),
        "html": clean(html),
        "url": url or (address("", guid)),
        "author": author,
        "author_url": author_url,
        "language": (text_of(item.get("language")) or text_of(feed.get("language"))).strip()[:35],
        "in_reply_to": "",
        "occurred_at": at.isoformat() if at else None,
        "edited_at": edited.isoformat() if edited else None,
        "content_hash": digest(*(text_of(item.get(field)) for field in _WRITTEN)),
    }
    text = facts["text"] or facts["html"]
    return facts, Identity(guid, url, title, text, " ".join(dates), at)


def json_dates(item: Any) -> list[str]:
    fields = item if isinstance(item, dict) else {}
    return [text_of(fields.get(field)) for field in ("date_published", "date_modified")]


def _load(text: str) -> tuple[dict[str, Any], list[Unread]]:
    # Not strict: a line break in a string is invalid JSON, but clear.
    decoder = json.JSONDecoder(
        strict=False, parse_int=_number, parse_float=_number, parse_constant=str
    )
    try:
        found = decoder.decode(text)
    except _DAMAGE:
        return _load_items(text, decoder)
    return (found, []) if isinstance(found, dict) else ({}, [])


def _load_items(text: str, decoder: json.JSONDecoder) -> tuple[dict[str, Any], list[Unread]]:
    """Read a damaged feed: what is before and after its items, and each item that is whole."""
    start = _ITEMS.search(text)
    if not start:
        return {}, []
    found = _object(text[: start.start()].rstrip().rstrip(",") + "}", decoder)
    items: list[Any] = []
    bad: list[Unread] = []
    place = _after_comma(text, start.end())
    while text[place : place + 1] != "]":
        try:
            item, end = decoder.raw_decode(text, place)
            items.append(item)
        except _DAMAGE as error:
            end = _item_end(text, place) if len(bad) < _MAX_SKIPPED else len(text)
            bad.append((text[place:end], str(error)))
        if (place := _after_comma(text, end)) == len(text):
            return {**found, "items": items}, bad
    after = _object("{" + text[_after_comma(text, place + 1) :], decoder)
    return {**found, **after, "items": items}, bad


def _object(text: str, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        found = decoder.decode(text)
    except _DAMAGE:
        return {}
    return found if isinstance(found, dict) else {}


def _after_comma(text: str, place: int) -> int:
    space = _COMMA.match(text, place)
    return space.end() if space else place


def _item_end(text: str, place: int) -> int:
    """Return where a damaged object ends, by its brackets; the end of the text if it does not."""
    depth = 0
    for found in _BRACKET.finditer(text, place):
        depth += _DEPTHS.get(found[0], 0)
        if depth <= 0:
            return found.end() if depth == 0 and text[place] in "{[" else len(text)
    return len(text)


def _number(written: str) -> str:
    """Return a number as it is written: it may be an id, and too long for Python's int."""
    return written[:_LONGEST_NUMBER]


def _version(feed: Mapping[str, Any]) -> str:
    found = _VERSION.match(text_of(feed.get("version")).strip())
    return f"json{found[1].replace('.', '')}" if found else ""


def _html(item: Mapping[str, Any]) -> str:
    """Return the first text of an item that has words, as HTML."""
    html = escape_words(text_of(item.get("content_html"))[:_MAX_TEXT])
    texts = [html] + [
        as_html(text_of(item.get(field))[:_MAX_TEXT]) for field in ("content_text", "summary")
    ]
    return next((text for text in texts if plain(text)), html)


def _authors(source: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the names of the authors, and the link of the first one; None if no one is named."""
    several = source.get("authors")
    found = several if isinstance(several, list) else []
    people = [
        person
        for person in (*found, source.get("author"))[:_MAX_AUTHORS]
        if isinstance(person, dict)
    ]
    names = [(name(person.get("name"), is_plain=True), person) for person in people]
    names = [(shown, person) for shown, person in names if shown]
    if not names:
        return None
    joined = ", ".join(dict.fromkeys(shown for shown, _person in names))
    return joined[:MAX_NAME], address("", text_of(names[0][1].get("url")))
