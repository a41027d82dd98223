"""Turn statuses and accounts of Mastodon into items, authors and changes. Asks no server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scrm.channels.base import Author, Change, File, Item, Visibility
from scrm.channels.mastodon.client import checked_id
from scrm.text.clean import clean, plain, safe_url

MOST_PICTURES = 4
_OPEN = {"public", "unlisted"}
_LONGEST_TITLE = 1_000

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """The network and the domain of our server; remote handles end with another domain."""

    network: str
    domain: str


@dataclass(frozen=True, slots=True)
class Picture:
    url: str
    alt: str


def shown(row: Json) -> Json:
    """Return the status that a timeline shows: of a boost, the boosted status."""
    boosted = row.get("reblog")
    return boosted if isinstance(boosted, Mapping) else row


def item(row: Json, place: Place, *, thread_key: str = "", files: tuple[File, ...] = ()) -> Item:
    """Return a status as an item. Raises ValueError or TypeError if it cannot be read."""
    key, parent, content = checked_id(row["id"]), parent_of(row), _required(row, "content")
    visibility, kind = _visibility(row), "comment" if parent else "post"
    return Item(
        scope=place.network,
        key=key,
        author=author(row["account"], place),
        title=_title(row),
        text=plain(content),
        html=clean(content),
        url=safe_url(_text(row, "url") or _text(row, "uri")),
        kind="message" if row.get("visibility") == "direct" else kind,
        visibility=visibility,
        occurred_at=moment(row.get("created_at")),
        thread_key=thread_key or parent or key,
        in_reply_to=parent,
        language=_text(row, "language")[:35],
        raw=raw(row),
        attachments=files,
        mentions=_mentions(row),
        quotes=_quoted(row),
    )


def author(row: Any, place: Place) -> Author:
    """Return an account as an author. Raises ValueError or TypeError if it cannot be read."""
    if not isinstance(row, Mapping):
        raise TypeError("the account is missing")
    reach = row.get("followers_count")
    countable = isinstance(reach, int) and not isinstance(reach, bool) and reach >= 0
    return Author(
        place.network,
        checked_id(row["id"]),
        handle=handle(row, place),
        name=_text(row, "display_name")[:300] or _text(row, "username")[:300],
        url=safe_url(_text(row, "url")),
        reach=reach if countable else None,
        bio=plain(_text(row, "note"))[:2_000],
    )


def handle(row: Json, place: Place) -> str:
    """Return name@domain; Mastodon leaves the domain out for accounts of our server."""
    acct = _text(row, "acct")[:300]
    return acct if "@" in acct or not acct else f"{acct}@{place.domain}"


def change(row: Json, place: Place) -> Change:
    """Return an edited status as a change of the item that was found earlier."""
    content = _required(row, "content")
    return Change(
        place.network,
        checked_id(row["id"]),
        "edited",
        title=_title(row),
        text=plain(content),
        html=clean(content),
        raw=raw(row),
        occurred_at=moment(row.get("edited_at")),
    )


def deleted(key: str, place: Place) -> Change:
    return Change(place.network, key, "deleted")


def is_open(row: Json) -> bool:
    """Whether everybody can read the status. Only followers see "private", the named "direct"."""
    return row.get("visibility") in _OPEN


def parent_of(row: Json) -> str:
    return _id_or_nothing(row.get("in_reply_to_id"))


def edited_at(row: Json) -> str:
    """Return the time of the last edit, or ""; only for comparing."""
    at = row.get("edited_at")
    return at.isoformat() if isinstance(at, datetime) else str(at or "")[:40]


def pictures(row: Json) -> list[Picture]:
    media = row.get("media_attachments")
    rows = [one for one in media if isinstance(one, Mapping)] if isinstance(media, list) else []
    found = [
        Picture(url, _text(one, "description")[:1_500])
        for one in rows
        if one.get("type") == "image" and (url := safe_url(_text(one, "url")))
    ]
    return found[:MOST_PICTURES]


def moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value[:40])
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def raw(row: Any) -> bytes:
    try:
        return json.dumps(row, default=str, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, TypeError, RecursionError):
        return b""


def _visibility(row: Json) -> Visibility:
    return "public" if is_open(row) else "private"


def _title(row: Json) -> str:
    """Return the content warning, which readers see first and instead of the text."""
    return plain(_text(row, "spoiler_text"))[:_LONGEST_TITLE]


def _mentions(row: Json) -> tuple[str, ...]:
    named = row.get("mentions")
    rows = [one for one in named if isinstance(one, Mapping)] if isinstance(named, list) else []
    keys = dict.fromkeys(_id_or_nothing(one.get("id")) for one in rows)
    return tuple(key for key in keys if key)


def _quoted(row: Json) -> str:
    """Return the id of the quoted status, if its author has accepted the quote."""
    quote = row.get("quote")
    if not isinstance(quote, Mapping) or quote.get("state", "accepted") != "accepted":
        return ""
    status = quote.get("quoted_status")
    key = status.get("id") if isinstance(status, Mapping) else quote.get("quoted_status_id")
    return _id_or_nothing(key)


def _id_or_nothing(value: Any) -> str:
    try:
        return checked_id(value)
    except ValueError:
        return ""


def _required(row: Json, name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _text(row: Json, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""
