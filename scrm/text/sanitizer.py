"""Call nh3, the HTML sanitiser, so that its time grows with the length of the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nh3

_MAX_REFERENCES = 1000


def sanitized(html: str, **options: Any) -> str:
    """Return what `nh3.clean` returns.

    nh3 copies a text again at each & in it, which takes quadratic time: a million & took 7 seconds.
    Therefore comments, which nh3 drops, divide a text with many of them. What is added contains no
    quote, so it can end no attribute, and nh3 cleans it with the rest.
    """
    if html.count("&") > _MAX_REFERENCES:
        html = "".join(_divided(html))
    return nh3.clean(html, **options)


def _divided(html: str) -> Iterator[str]:
    """Yield the pieces of `html`, with a comment before every thousandth & of a text."""
    first, *pieces = html.split("&")
    yield first
    in_tag, references = first.rfind("<") > first.rfind(">"), 0
    for piece in pieces:
        references += 1
        if references >= _MAX_REFERENCES and not in_tag:
            yield "<!---->"
            references = 0
        yield f"&{piece}"
        start, end = piece.rfind("<"), piece.rfind(">")
        if start != end:
            in_tag, references = start > end, 0
