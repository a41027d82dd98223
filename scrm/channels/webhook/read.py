"""Read the body of one delivery: JSON becomes items, or a list of errors in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from scrm.channels.base import Author, Item, Visibility
from scrm.channels.webhook.schema import schema_errors
from scrm.text.clean import safe_url, storable

NETWORK = "webhook"
MAX_ERRORS = 20
"""Errors that one answer lists."""
_PUBLIC_KINDS = ("post", "comment")


@dataclass(frozen=True, slots=True)
class Reading:
    """The items of a delivery, or the errors because of which none of them is used."""

    items: tuple[Item, ...] = ()
    errors: tuple[str, ...] = ()


def read(body: bytes, address: str) -> Reading:
    """Read the items of a delivery. Never raises: what cannot be read becomes an error.

    address: the UUID of the source; together with the `id` of an item it identifies the item.
    """
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        return Reading(errors=("body: expected JSON that is not nested so deeply",))
    except ValueError as error:  # also an integer of more digits than Python reads
        return Reading(errors=(f"body: expected JSON in UTF-8: {str(error)[:200]}",))
    errors = tuple(islice(schema_errors(value), MAX_ERRORS))
    if errors:
        return Reading(errors=errors)
    rows = [_without_nulls(row) for row in value["items"]]
    errors = tuple(islice(_content_errors(rows), MAX_ERRORS))
    if errors:
        return Reading(errors=errors)
    return Reading(items=tuple(_item(row, address) for row in rows))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    """Return an item without the fields that are null; a null counts as a missing field."""
    known = {name: value for name, value in row.items() if value is not None}
    if author := known.get("author"):
        known["author"] = {name: value for name, value in author.items() if value is not None}
    return known


def _content_errors(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the errors that the schema cannot express."""
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        key = _key(row["id"])
        if not key:
            yield f"items[{number}].id: expected a text with at least one visible character"
        elif first.setdefault(key, number) != number:
            yield f"items[{number}].id: expected a new id; items[{first[key]}] has the same id"
        if not _text(row):
            yield f"items[{number}].text: expected a text or answers; both are empty"
        if "author" in row and not _key(row["author"]["id"]):
            yield f"items[{number}].author.id: expected a text with at least one visible character"


def _item(row: dict[str, Any], address: str) -> Item:
    kind, moment = row["kind"], row.get("occurred_at")
    visibility: Visibility = "public" if kind in _PUBLIC_KINDS else "private"
    return Item(
        scope=f"{NETWORK}:{address}",
        key=_key(row["id"]),
        author=_author(row, address),
        text=_text(row),
        title=row.get("title", ""),
        url=safe_url(row.get("url", "")),
        kind=kind,
        visibility=row.get("visibility", visibility),
        occurred_at=datetime.fromisoformat(moment) if moment else None,
        thread_key=_key(row.get("thread", "")),
        in_reply_to=_key(row.get("in_reply_to", "")),
        language=row.get("language", ""),
        raw=json.dumps(row).encode(),
    )


def _author(row: dict[str, Any], address: str) -> Author:
    """Return the author of an item.

    Each anonymous item has an author of its own. Otherwise all anonymous items of a source would
    join one conversation and one case.
    """
    facts = row.get("author")
    if facts is None:
        return Author(NETWORK, f"{address}#anonymous item {_key(row['id'])}", name="Anonymous")
    key, reach = _key(facts["id"]), facts.get("reach")
    return Author(
        network=NETWORK,
        key=f"{address}#{key}",
        handle=facts.get("handle", "") or key,
        name=facts.get("name", ""),
        url=safe_url(facts.get("url", "")),
        reach=None if reach is None else int(reach),
        verified=facts.get("verified"),
        bio=facts.get("bio", ""),
        place=facts.get("place", ""),
        language=facts.get("language", ""),
    )


def _key(value: str | float) -> str:
    """Return an id as text, so that 7, 7.0 and "7" are the same id."""
    return storable(value).strip() if isinstance(value, str) else str(int(value))


def _text(row: dict[str, Any]) -> str:
    """Return the text of an item, with its answers added as lines “question: answer”."""
    answers = "\n".join(f"{name}: {value}" for name, value in row.get("answers", {}).items())
    return "\n\n".join(filter(None, (storable(row.get("text", "")).strip(), storable(answers))))
