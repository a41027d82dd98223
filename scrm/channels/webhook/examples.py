"""Example deliveries, one for each kind of item, as files that senders can copy."""

from __future__ import annotations

from pathlib import Path

from scrm.channels.webhook.schema import SCHEMA

_FOLDER = Path(__file__).parent / "examples"
KINDS: tuple[str, ...] = tuple(SCHEMA["properties"]["items"]["items"]["properties"]["kind"]["enum"])
"""The kinds of items that a delivery may contain."""


def example(kind: str) -> str:
    """Return the example of a kind as JSON text."""
    return (_FOLDER / f"{kind.replace(' ', '_')}.json").read_text(encoding="utf-8")
