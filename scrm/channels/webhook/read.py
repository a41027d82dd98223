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
from scrm.text.phone import NotAPhoneNumber, e164, international

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
    for part in ("author", "call"):
        if part in known:
            known[part] = {name: value for name, value in known[part].items() if value is not None}
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
        if not _text(row) and "call" not in row:
            yield f"items[{number}].text: expected a text or answers; both are empty"
        if "author" in row and not _key(row["author"]["id"]):
            yield f"items[{number}].author.id: expected a text with at least one visible character"
        yield from _call_errors(row, f"items[{number}].call")


def _call_errors(row: dict[str, Any], path: str) -> Iterator[str]:
    if "call" in row and row["kind"] != "call":
        yield f"{path}: expected only with the kind “call”"
    try:
        _number(row)
    except NotAPhoneNumber:
        title = "a phone number with its country code, for example +442079460958"
        yield f"{path}.number: expected {title}, got “{storable(row['call']['number'])}”"


def _number(row: dict[str, Any]) -> str:
    """Return the number of a call in E.164, or "". Raises NotAPhoneNumber."""
    return e164(storable(row.get("call", {}).get("number", "")))


def _details(row: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a call as an item carries them; see `scrm.channels.base.Item`."""
    call = row.get("call")
    if call is None:
        return {}
    seconds = call.get("duration")
    facts = {
        "number": _number(row),
        "outcome": call.get("outcome", ""),
        "seconds": None if seconds is None else int(seconds),
        "recording": safe_url(call.get("recording", "")),
        "agent": storable(call.get("agent", "")).strip(),
    }
    known = {name: value for name, value in facts.items() if value not in ("", None)}
    return {"direction": call.get("direction", "in"), "call": known}


def _title(row: dict[str, Any]) -> str:
    """Return the title of an item; a missed call without a title is called so."""
    title: str = row.get("title", "")
    call = row.get("call", {})
    missed = call.get("outcome") == "no answer" and call.get("direction", "in") == "in"
    return "Missed call" if missed and not title else title


def _item(row: dict[str, Any], address: str) -> Item:
    kind, moment = row["kind"], row.get("occurred_at")
    visibility: Visibility = "public" if kind in _PUBLIC_KINDS else "private"
    return Item(
        scope=f"{NETWORK}:{address}",
        key=_key(row["id"]),
        author=_author(row, address),
        text=_text(row),
        title=_title(row),
        details=_details(row),
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
    """Return the author of an item. The number of a call identifies its author.

    Each anonymous item has an author of its own. Otherwise all anonymous items of a source would
    join one conversation and one case.
    """
    facts = row.get("author")
    if number := _number(row):
        name = (facts or {}).get("name", "")
        return Author("phone", number, handle=international(number), name=name)
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
