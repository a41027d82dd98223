"""Make what a network returned storable: PostgreSQL stores no NUL and no lone surrogates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from scrm.channels.bounded import bounded_key, bounded_network
from scrm.text.clean import storable, without_bidi

_BOUNDED = {
    "network": bounded_network,
    **dict.fromkeys(("scope", "key", "thread_key", "in_reply_to", "quotes"), bounded_key),
    # It is no key, but the database refuses a longer one.
    "other_address": bounded_key,
}
_ONE_LINE = {"name", "handle", "title"}
"""The texts from which characters that control the direction of text are removed."""


def make_storable(facts: Any) -> None:
    """Clean all strings of a frozen dataclass, and shorten its keys."""
    for attribute in fields(facts):
        value = getattr(facts, attribute.name)
        if isinstance(value, str):
            value = storable(value)
            value = without_bidi(value) if attribute.name in _ONE_LINE else value
            bounded = _BOUNDED.get(attribute.name)
            # The dataclass is frozen, so ordinary assignment would fail.
            object.__setattr__(facts, attribute.name, bounded(value) if bounded else value)
        elif attribute.name == "mentions":
            keys = tuple(bounded_key(storable(key)) for key in value)
            object.__setattr__(facts, attribute.name, keys)
        elif attribute.name == "details":
            object.__setattr__(facts, attribute.name, storable_json(value))


def storable_json(value: Any) -> Any:
    """Return a JSON value with all strings cleaned, also the names of its fields."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(key): storable_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(inner) for inner in value]
    return value
