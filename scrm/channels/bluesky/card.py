"""The preview of a linked page: its title and its description."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from scrm.net import http
from scrm.text.clean import plain
from scrm.text.decode import charset_of, decode

SECONDS, MAX_BYTES, MAX_READ = 6.0, 2 * http.MEGABYTE, 200_000
_META = re.compile(r"<meta\b[^<>]{0,3000}>", re.I)
_ATTRIBUTE = re.compile(
    r"\b(property|name|content)=(?:\"([^\"<>]{0,2000})\"|'([^'<>]{0,2000})')", re.I
)
_TITLE = re.compile(r"<title\b[^<>]{0,300}>([^<>]{1,1000})", re.I)
_TITLE_LENGTH, _DESCRIPTION_LENGTH = 300, 1_000


def card(url: str) -> dict[str, Any] | None:
    """Return the preview for a post, or None if the page has no title or cannot be fetched."""
    try:
        page = http.fetch(url, headers={"Accept": "text/html"}, max_bytes=MAX_BYTES,
                          deadline=SECONDS)  # fmt: skip
    except http.HttpError:
        return None
    kind = page.headers.get("content-type", "")
    if page.status != 200 or "html" not in kind.lower():
        return None
    html = decode(page.body, charset_of(kind), markup=True).text[:MAX_READ]
    facts = _facts(html)
    title = facts.get("og:title") or _plain_title(html)
    description = facts.get("og:description") or facts.get("description", "")
    if not title:
        return None
    return {
        "$type": "app.bsky.embed.external",
        "external": {
            "uri": url,
            "title": title[:_TITLE_LENGTH],
            "description": description[:_DESCRIPTION_LENGTH],
        },
    }


def _facts(html: str) -> dict[str, str]:
    """Return the content of the page's meta elements by their name; the first one counts."""
    facts: dict[str, str] = {}
    for tag in _META.findall(html):
        found = {name.lower(): one or two for name, one, two in _ATTRIBUTE.findall(tag)}
        name = (found.get("property") or found.get("name") or "").lower()
        facts.setdefault(name, _line(found.get("content", "")))
    return facts


def _plain_title(html: str) -> str:
    found = _TITLE.search(html)
    return _line(found[1]) if found else ""


def _line(text: str) -> str:
    return " ".join(plain(unescape(text)).split())
