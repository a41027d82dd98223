"""Prepare a text for WordPress: safe HTML, a title and a readable slug."""

from __future__ import annotations

import re
from html import escape

from django.utils.text import slugify

from scrm.text.clean import storable

_LINK = re.compile(r"https?://[^\s<>\"'\\\[\]]+")
_TRAILING = ".,;:!?)]}…"
_MAX_TITLE, _MAX_SLUG, _NONCE = 80, 60, 10


def as_html(text: str) -> str:
    """Return the text as HTML with links. Blank lines become paragraphs, line ends become breaks.

    Everything else is escaped. Square brackets are escaped too, because WordPress would run a
    shortcode inside them.
    """
    lines = storable(text).replace("\r\n", "\n").replace("\r", "\n")
    paragraphs = re.split(r"\n[^\S\n]*\n\s*", lines.strip())
    return "\n".join(
        f"<p>{'<br />'.join(_linked(line) for line in paragraph.split(chr(10)))}</p>"
        for paragraph in paragraphs
        if paragraph.strip()
    )


def as_comment(text: str) -> str:
    """Return the escaped text. In comments, WordPress itself makes paragraphs and links."""
    return _plain(storable(text).strip())


def title_of(subject: str, text: str) -> str:
    """Return the title as HTML: the subject, or else the first words of the text."""
    title = " ".join(subject.split()) or _shortened(" ".join(text.split()), _MAX_TITLE)
    return _plain(storable(title))


def slug_of(subject: str, text: str, nonce: str) -> str:
    """Return the last part of the post's address: words of its title and a part of the nonce.

    The slug is the same at every attempt, and WordPress's function `sanitize_title` does not change
    it.
    """
    words = re.sub(r"[-_]+", "-", slugify(subject or text[:200]))[:_MAX_SLUG]
    mark = re.sub(r"[^0-9a-z]", "", nonce.lower())[:_NONCE]
    return "-".join(filter(None, [words.strip("-") or "statement", mark]))


def _linked(line: str) -> str:
    pieces, at = [], 0
    for found in _LINK.finditer(line):
        link = found[0].rstrip(_TRAILING)
        if link.endswith("//"):  # the text contains only a scheme without a host
            continue
        address = _plain(link).replace('"', "&quot;")
        pieces += [_plain(line[at : found.start()]), f'<a href="{address}">{address}</a>']
        at = found.start() + len(link)
    return "".join([*pieces, _plain(line[at:])])


def _plain(text: str) -> str:
    return escape(text, quote=False).replace("[", "&#91;").replace("]", "&#93;")


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = text[: most - 1]
    return f"{head.rsplit(' ', 1)[0] if ' ' in head else head}…"
