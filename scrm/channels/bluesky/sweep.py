"""Find the new entries of a list that is ordered by date, and lose none.

The network returns such lists newest first, in pages. It orders them by the date that an author
states, so that a new entry can appear far below the top, and dates say nothing about what is new.
Therefore the cursor remembers the newest entries themselves, as short hashes:

- A sweep reads pages from the top down to the first page on which every entry is known.
- If that takes too many pages, the next fetch continues where this one stopped.
- After a finished sweep, one older page is read as well, each time the next one. So an entry that
  was inserted further down is found within a few fetches. These pages have another size, because
  entries with the same date may be left out at the end of a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

SIZE, OLDER_SIZE, PAGES = 100, 70, 3
ENOUGH = 100
"""A fetch stops after a page with which it has this many new entries."""


@dataclass(frozen=True, slots=True)
class Page:
    """entries: key → entry. cursor: where the next page begins; "" if there is none."""

    entries: Mapping[str, Any]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Swept:
    """The new entries, the next state, and whether more entries wait."""

    found: list[Any]
    state: dict[str, Any]
    more: bool


PageAt = Callable[[str, int], Page]
"""Returns the page at a cursor ("" for the first page) with at most so many entries."""


def sweep(
    page_at: PageAt, state: Mapping[str, Any], *, depth: int, whole: bool, most: int | None = None
) -> Swept:
    """Return the new entries.

    depth: how many entries are remembered. whole: whether the first sweep reads the list to its
    end; if not, it reads `depth` entries. most: the most entries that may be read.
    """
    known, read = list(state.get("known", [])), list(state.get("read", []))
    place, stop = str(state.get("place", "")), set(known)
    found: dict[str, Any] = {}
    left = SIZE * PAGES if most is None else most
    for _ in range(PAGES):
        page = page_at(place, min(SIZE, left))
        marks = {mark_of(key): entry for key, entry in page.entries.items()}
        _keep_new(marks, {*stop, *read}, found)
        read += [mark for mark in marks if mark not in read]
        left -= len(marks)
        place = page.cursor if page.cursor != place else ""
        # An empty page is not the end: the network leaves out entries after it has cut the page.
        reached = bool(marks) and stop.issuperset(marks)
        if not place or reached or (not known and not whole and len(read) >= depth):
            ended = {"known": _first([*read, *known], depth), "older": state.get("older", {})}
            if place and most is None:
                ended = _look_deeper(page_at, ended, found, depth)
            return Swept(list(found.values()), ended, False)
        if len(found) >= ENOUGH or left <= 0:
            break
    unfinished = {**state, "known": known, "read": read[:depth], "place": place}
    return Swept(list(found.values()), unfinished, True)


def _look_deeper(
    page_at: PageAt, state: Mapping[str, Any], found: dict[str, Any], depth: int
) -> dict[str, Any]:
    """Read the next older page, and begin again at the top when `depth` is reached.

    Adds the new entries to `found` and returns the next state.
    """
    known, older = state["known"], state["older"]
    page = page_at(str(older.get("place", "")), OLDER_SIZE)
    marks = {mark_of(key): entry for key, entry in page.entries.items()}
    passed = int(older.get("passed", 0)) + OLDER_SIZE
    is_last = not page.cursor or passed + OLDER_SIZE > depth - SIZE
    _keep_new(marks, set(known), found)
    return {
        "known": _first([*marks, *known], depth) if set(marks) - set(known) else known,
        "older": {} if is_last else {"place": page.cursor, "passed": passed},
    }


def _keep_new(marks: Mapping[str, Any], known: set[str], found: dict[str, Any]) -> None:
    found.update((mark, entry) for mark, entry in marks.items() if mark not in known)


def _first(marks: Iterable[str], most: int) -> list[str]:
    return list(dict.fromkeys(marks))[:most]


def mark_of(key: str) -> str:
    return sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
