"""Decide whether two sources show the same edit of an item, in two forms.

A feed may show an excerpt or add a line, where the API of the blog shows the whole text. Their
words differ, so each of them would record the edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models.functions import Left

from listening.models import Mention, MentionChange
from scrm.channels.base import Item

_COMPARED = 5_000
"""Characters. A longer text is no excerpt, and only this much of the recorded text is read."""
_CUT = ("…", "...", "…]", "...]")
_FOOTER, _FOOTER_START = " appeared first on ", " the post"
_MAX_NAME = 60
Words = tuple[str, str]
"""The title of an item, and the start of its text."""


def edits_by_other_sources(
    mentions: Mapping[int, Mention], source: int, since: Mapping[int, datetime]
) -> dict[int, Words]:
    """Return {mention id: words of its newest change} where another source has shown an edit.

    mentions: with their changes, of which the text need not be loaded. since: when this
    source first showed its previous content; older edits are left out.
    """
    newest = [last for row in mentions.values() for last in list(row.changes.all())[-1:]]
    others = [
        last.pk
        for last in newest
        if last.kind == MentionChange.Kind.EDITED
        and last.recorded_at > since[last.mention_id]
        and last.fetch.source_id != source
    ]
    if not others:
        return {}
    # One character more than is compared shows that the text goes on.
    start = Left("text", _COMPARED + 1)
    rows = MentionChange.objects.filter(pk__in=others).values_list("mention", "title", start)
    return {mention: (title, text) for mention, title, text in rows}


def is_same_edit(item: Item, recorded: Words) -> bool:
    """Return whether the item has the recorded words, or is an excerpt that ends in an ellipsis.

    An item with more words is another edit, because its words are not recorded yet. So is one that
    ends early without an ellipsis: its author may have removed the rest.
    """
    title, text = recorded
    if len(item.text) > _COMPARED or _plain(item.title) != _plain(title):
        return False
    known, shown = (_without_footer(_plain(words), _plain(title)) for words in (text, item.text))
    if shown.endswith(_CUT) and _letters(known).startswith(_letters(shown.rstrip(" .…[]"))):
        return True
    return len(text) <= _COMPARED and _letters(known) == _letters(shown)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _letters(text: str) -> str:
    """Return the text without spaces: sources divide the same words differently."""
    return text.replace(" ", "")


def _without_footer(text: str, title: str) -> str:
    """Return the text without the last line "The post <title> appeared first on <blog>."."""
    before, found, name = text.rpartition(_FOOTER)
    before = before.removesuffix(f" {title}") if title else before
    # A longer end, or one of several sentences, are words of the author.
    is_name = len(name) <= _MAX_NAME and not any(end in name[:-1] for end in ".!?。")
    if found and is_name and before.endswith(_FOOTER_START):
        return before.removesuffix(_FOOTER_START)
    return text
