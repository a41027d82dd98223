"""Mark the words of a text that a topic matched, and escape the rest of the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

Spans = Iterable[Sequence[str | int]]
"""Spans as `Match.spans` stores them: [["text", start, end], …].

Positions are in code points; `end` is exclusive.
"""
_LEAD = 60


def highlight(text: str, spans: Spans, *, field: str = "text") -> SafeString:
    """Return `text` as escaped HTML, with <mark> around the spans of this field.

    The spans may be in any order, and they may overlap.
    """
    return _marked(text, _merged(spans, field, len(text)))


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a text as safe HTML.

    is_folded: whether it quotes another message, so that it is shown only on request.
    has_hit: whether a topic matched a word in it.
    """

    html: SafeString
    is_folded: bool = False
    has_hit: bool = False


def passages(text: str, spans: Spans, folded: Iterable[tuple[int, int]]) -> list[Passage]:
    """Divide a text into the passages that are folded and the passages between them.

    The hits are marked as by the function `highlight`. Blank lines before and after a passage are
    left out, and so are passages without words.
    folded: the start and the end of each folded passage, in code points, in order.
    """
    hits = _merged(spans, "text", len(text))
    found: list[Passage] = []
    last = 0
    for start, end in (*folded, (len(text), len(text))):
        for first, until, is_folded in ((last, start, False), (start, end, True)):
            whole = text[first:until].rstrip()
            if part := whole.lstrip("\r\n"):
                begin, stop = first + len(whole) - len(part), first + len(whole)
                inside = [(max(a, begin) - begin, min(b, stop) - begin) for a, b in hits]
                places = [(a, b) for a, b in inside if a < b]
                found.append(Passage(_marked(part, places), is_folded, bool(places)))
        last = end
    return found


def excerpt(text: str, spans: Spans, *, field: str = "text", most: int = 280) -> SafeString:
    """Return an extract of the text, with its hits marked as by the function `highlight`.

    The extract has up to `most` code points of the text and contains the first hit. Without a hit,
    it is the beginning of the text.
    """
    places = _merged(spans, field, len(text))
    first = places[0][0] if places else 0
    start = max(0, min(first - _LEAD, len(text) - most))
    end = start + most
    inside = [(max(a, start) - start, min(b, end) - start) for a, b in places if a < end]
    body = _marked(text[start:end], [(a, b) for a, b in inside if a < b])
    before, after = "… " if start else "", " …" if end < len(text) else ""
    return mark_safe(f"{before}{body}{after}")  # noqa: S308 - escaped piece by piece


def around(text: str, start: int, end: int, *, reach: int = 40) -> SafeString:
    """Return one marked hit with at most `reach` code points of text before and after it."""
    first, last = max(0, start - reach), min(len(text), end + reach)
    body = _marked(text[first:last], [(start - first, end - first)])
    before, after = "… " if first else "", " …" if last < len(text) else ""
    return mark_safe(f"{before}{body}{after}")  # noqa: S308 - escaped piece by piece


def _merged(spans: Spans, field: str, length: int) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    for start, end in sorted((int(s[1]), int(s[2])) for s in spans if s[0] == field):
        start, end = max(start, 0), min(end, length)  # noqa: PLW2901
        if places and start <= places[-1][1]:
            places[-1] = (places[-1][0], max(places[-1][1], end))
        elif start < end:
            places.append((start, end))
    return places


def _marked(text: str, places: list[tuple[int, int]]) -> SafeString:
    parts, last = [], 0
    for start, end in places:
        # Each part is escaped by itself: the text comes from outside, and only <mark> is ours.
        parts += [escape(text[last:start]), "<mark>", escape(text[start:end]), "</mark>"]
        last = end
    return mark_safe("".join([*parts, escape(text[last:])]))  # noqa: S308 - escaped above
