"""Choose the newest entries of a feed that has too many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scrm.channels.feed.dates import parse

_MAX_SORTED = 10_000


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
    if len(entries) > _MAX_SORTED:
        # Reading all dates would take too long. The end of a feed with the newest entry counts.
        first, last = (_latest(part, dates) for part in (entries[:10], entries[-10:]))
        kept = [*entries[:most]] if first >= last else [*entries[left_out:]]
        return (kept, _sentence(len(entries), left_out)) if first or last else _ends(entries, most)
    moments: list[float] = []
    for entry in entries:
        moments.append(_latest([entry], dates) or (moments[-1] if moments else 0.0))
    if not any(moments):
        return _ends(entries, most)
    order = sorted(range(len(entries)), key=lambda place: moments[place], reverse=True)
    return [entries[place] for place in sorted(order[:most])], _sentence(len(entries), left_out)


def _latest(entries: Sequence[Any], dates: Callable[[Any], list[str]]) -> float:
    """Return the latest date in seconds since 1970; 0 if there is none."""
    written = [next((text for text in dates(entry) if text.strip()), "") for entry in entries]
    return max((moment.timestamp() for text in written if (moment := parse(text))), default=0.0)


def _ends(entries: Sequence[Any], most: int) -> tuple[Sequence[Any], str]:
    half = most // 2
    kept = [*entries[: most - half], *entries[len(entries) - half :]]
    sentence = _sentence(len(entries), len(entries) - most, "in the middle, as none has a date")
    return kept, sentence


def _sentence(total: int, left_out: int, which: str = "with the oldest dates") -> str:
    left = f"{left_out:,} {'was' if left_out == 1 else 'were'} left out ({which})"
    return f"This feed has {total:,} entries, which is too many: {left}."
