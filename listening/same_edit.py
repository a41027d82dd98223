"""Decide whether two sources show the same edit of an item, in two forms.

A feed may show an excerpt or add a line, where the API of the blog shows the whole text. Their
words differ, so each of them would record the edit.
"""

from __future__ import annotations

from datetime import datetime

from listening.models import MentionChange
from scrm.channels.base import Item

_LENGTH, _COMPARED = 3, 50_000
_ALIKE = 0.9


def same_edit(last: MentionChange, item: Item, source: int, since: datetime) -> bool:
    """Return whether a source shows the edit that another source has shown last.

    It is another edit if the words differ much. A small edit that follows at once may be taken for
    the same; the other source reports it when it shows it.

    last: the newest change of the item. item: the item as the source shows it now. since: when the
    source showed it with another content for the last time.
    """
    if last.kind != MentionChange.Kind.EDITED or last.recorded_at <= since:
        return False
    return last.fetch.source_id != source and _are_alike(
        f"{last.title}\n{last.text}", f"{item.title}\n{item.text}"
    )


def _are_alike(one: str, other: str) -> bool:
    """Return whether the shorter text, without a few words, is a part of the longer one.

    Groups of three letters are compared, because not all scripts divide words.
    """
    first, second = _groups(one), _groups(other)
    shorter = min(len(first), len(second))
    return len(first & second) >= _ALIKE * shorter if shorter else one == other


def _groups(text: str) -> set[str]:
    letters = "".join(letter for letter in text[:_COMPARED].casefold() if letter.isalnum())
    return {letters[place : place + _LENGTH] for place in range(len(letters) - _LENGTH + 1)}
