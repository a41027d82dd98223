"""Choose the newest entries of a feed that has too many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from scrm.channels.feed.dates import parse

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def newest(
    entries: Sequence[Any], most: int, dates: Callable[[Any], list[str]]
) -> tuple[Sequence[Any], str]:
    """Return the newest entries in their order, and a sentence about the others; "" if all fit.

    An entry without a date is as old as the entry before it. If no entry has a date, the newest are
    at the beginning or at the end, so the ones in the middle are left out.
    dates: returns the dates of an entry as they are written.
    """
    left_out = len(entries) - most
    if left_out <= 0:
        return entries, ""
    written = [next((text for text in dates(entry) if text), "") for entry in entries]
    if not any(written):
        half = most // 2
        kept = [*entries[: most - half], *entries[len(entries) - half :]]
        return kept, _sentence(len(entries), left_out, "in the middle, because none has a date")
    moments, last = [], None
    for text in written:
        last = parse(text) or last
        moments.append(last)
    first = next((at for at in moments if at), _LONG_AGO)
    order = sorted(range(len(entries)), key=lambda place: moments[place] or first, reverse=True)
    kept = [entries[place] for place in sorted(order[:most])]
    return kept, _sentence(len(entries), left_out, "with the oldest dates")


def _sentence(total: int, left_out: int, which: str) -> str:
    verb = "was" if left_out == 1 else "were"
    left = f"{left_out:,} {verb} left out ({which})"
    return f"This feed has {total:,} entries, which is too many: {left}."
