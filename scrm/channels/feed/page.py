"""Find the feeds to which a web page links."""

from __future__ import annotations

import re
from html.entities import html5
from html.parser import HTMLParser

from scrm.channels.feed.entries import address, name_in
from scrm.text.clean import safe_url

_JSON = "application/json"
_TYPES = {
    "application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json",
    _JSON,
}  # fmt: skip
_NO_FEED = re.compile(r"/wp-json/|[?&]rest_route=")
"""Addresses of WordPress's REST API, which pages declare with the type of a JSON feed."""
_MAX_LINKS = 20
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{0,40})(?![A-Za-z0-9])(;|(?==))?")


def feed_links(page: str, base: str) -> list[tuple[str, str]]:
    """Return the address and the title of each feed to which a page links.

    Links with the type `application/json` come last: pages also declare their APIs so.
    base: the address of the page.
    """
    finder = _FeedLinks()
    finder.feed(_ENTITY.sub(_escaped, page))
    base = address(base, finder.base) or base
    links: dict[str, str] = {}
    for reference, title in [*finder.links, *finder.json_links]:
        found = safe_url(address(base, reference))
        if found and not (_NO_FEED.search(found)):
            links.setdefault(found, title)
    return list(links.items())[:_MAX_LINKS]


def _escaped(entity: re.Match[str]) -> str:
    """Return a reference as an HTML parser reads it in an attribute: `&copy=` is no copyright sign.

    Python's parser reads it as such, so the ampersand is escaped.
    """
    word, end = entity[1], entity[2]
    is_known = f"{word};" in html5 if end == ";" else word in html5 and end is None
    return entity[0] if is_known else f"&amp;{entity[0][1:]}"


class _FeedLinks(HTMLParser):
    """Collects `<link rel="alternate">` tags with the type of a feed, and the first `<base>`."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.links: list[tuple[str, str]] = []
        self.json_links: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # The first one counts if an attribute occurs twice.
        found = {attribute: value or "" for attribute, value in reversed(attrs)}
        if tag == "base":
            self.base = self.base or found.get("href", "").strip()
        elif tag == "link" and found.get("href"):
            relations = found.get("rel", "").lower().split()
            kind = found.get("type", "").partition(";")[0].strip().lower()
            if ("alternate" in relations and kind in _TYPES) or "feed" in relations:
                links = self.json_links if kind == _JSON else self.links
                links.append((found["href"], name_in(found, "title")))
