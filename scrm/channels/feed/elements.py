"""Read the XML of RSS and Atom feeds with feedparser, and keep apart what feedparser mixes up.

feedparser stores the titles and captions of images and of media as those of the entry, and keeps
one author. It also searches the author for a mail address with a pattern that takes quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from itertools import pairwise
from typing import Any

import feedparser
from feedparser.api import _FeedParserMixin
from feedparser.namespaces import _base, dc

from scrm.channels.feed.newest import newest
from scrm.channels.feed.well_formed import well_formed
from scrm.channels.unreadable import UNREADABLE
from scrm.text.brackets import escape_words

Unread = tuple[str, str]
"""The source of an entry that cannot be read, and the reason."""

_ENTRY_START = re.compile(
    r"<!\[CDATA\[(?:[^\]]|\](?!\]>))*+(?:\]\]>|\Z)|<!--(?:[^-]|-(?!->))*+(?:-->|\Z)"
    r"|<(?:([A-Za-z_][\w.-]{0,60}):)?(item|entry)(?=[\s>])"
)
"""The start of an entry: its prefix in group 1, its name in group 2. Tags in comments and CDATA
sections are none."""
_PREFIX = re.compile(r"\bxmlns:([\w.-]{1,60})\s{0,9}=\s{0,9}[\"']([^\"'<>]{1,200})[\"']")
_RELATIVE_LINK = re.compile(r"(?i)\bhref\s{0,9}+=\s{0,9}+[\"']?+(?!\s{0,9}(?:https?:|mailto:))")
_ENTRY_END = re.compile(r"</(?:[A-Za-z_][\w.-]{0,60}:)?(?:item|entry)\s{0,9}>")
_DATES = re.compile(
    r"<(?:[A-Za-z_][\w.-]{0,60}:)?"
    r"(?:pubDate|published|updated|issued|modified|created|date|dateSubmitted|available)"
    r"(?:\s[^<>]{0,200})?>\s{0,99}(?:<!\[CDATA\[)?\s{0,99}([^<\]]{1,100})"
)
_LONGEST_HEAD = 20_000
"""The prefixes of a feed are declared at its first element."""
_THREADING = "http://purl.org/syndication/thread/1.0"
_HANDLER = re.compile(r"_(?:start|end)_(.+)")
_NEEDED = {
    "title", "description", "abstract", "summary", "content", "content_encoded", "fullitem",
    "body", "xhtml_body", "link", "guid", "id", "author", "name", "email", "url", "uri",
    "published", "issued", "pubdate", "updated", "modified", "created", "item", "entry", "source",
    "dc_title", "dc_description", "dc_author", "dc_creator", "dc_date", "itunes_summary",
    "itunes_author", "media_title", "media_description",
}  # fmt: skip
"""The elements without which an entry is not complete. If one of them cannot be read, the entry is
set apart; any other element is left out."""
_AROUND_SVG = {"item", "entry", "description", "summary", "content", "encoded", "fullitem", "body"}
"""Elements that may contain a picture in SVG, and that are never part of one."""
CONTENT, DESCRIPTION, SUMMARY = "content", "description", "summary"
"""The values of the key `role` of a text: which element it comes from."""


class _Elements(_FeedParserMixin):  # type: ignore[misc]
    """feedparser's handlers of elements, some of them replaced."""

    # Ids are not resolved, or all entries would count as new after the feed moves to https.
    can_be_relative_uri = _FeedParserMixin.can_be_relative_uri - {"id"}
    namespaces = _FeedParserMixin.namespaces | {_THREADING: "thr"}
    # Not "title": a title shows no links.
    can_contain_relative_uris = frozenset(
        {"content", "description", "summary", "media_description"}
    )

    def _sync_author_detail(self, key: str = "author") -> None:
        """Do nothing: `_end_author` keeps the text of the element."""

    def _end_author(self) -> None:
        text = self.pop("author")
        self.inauthor = 0
        authors = self._get_context().get("authors")
        if authors and not authors[-1] and text:
            authors[-1]["text"] = text

    _end_managingeditor = _end_author

    def _start_title(self, attributes: Any) -> None:
        if self._is_in_box and not self.svgOK:
            self.push_content("image_title", attributes, "text/plain", 1)
        else:
            super()._start_title(attributes)

    def _end_title(self) -> None:
        if self._is_open("image_title"):
            self.pop_content("image_title")
        else:
            super()._end_title()

    def _start_description(self, attributes: Any) -> None:
        if self._is_in_box:
            self.push_content("image_description", attributes, "text/html", 1)
        else:
            super()._start_description(attributes)
            self.contentparams["role"] = DESCRIPTION

    def _end_description(self) -> None:
        if self._is_open("image_description"):
            self.pop_content("image_description")
        else:
            super()._end_description()

    def _start_textinput(self, attributes: Any) -> None:
        # feedparser stores it in the entry, but looks for it in the feed.
        self.feeddata.setdefault("textinput", feedparser.FeedParserDict())
        super()._start_textinput(attributes)

    def unknown_endtag(self, tag: str) -> None:
        # An <svg> that is not closed would hide the end of each element after it.
        self.svgOK: int
        if self.svgOK and tag.rpartition(":")[2] in _AROUND_SVG:
            self.svgOK = 0
        super().unknown_endtag(tag)

    _start_textInput = _start_textinput  # noqa: N815 - the name of the element

    @property
    def _is_in_box(self) -> bool:
        """Whether an entry contains an image or an input field, and the parser is in it."""
        return bool(self.inentry and (self.inimage or self.intextinput))

    def _start_link(self, attributes: Any) -> None:
        if self._is_in_box:
            self.push("image_link", 1)
        else:
            super()._start_link(attributes)

    def _end_link(self) -> None:
        self.pop("image_link" if self._is_open("image_link") else "link")

    def _start_summary(self, attributes: Any) -> None:
        super()._start_summary(attributes)
        self.contentparams["role"] = SUMMARY

    def _start_content(self, attributes: Any) -> None:
        super()._start_content(attributes)
        self.contentparams["role"] = CONTENT

    def _start_content_encoded(self, attributes: Any) -> None:
        super()._start_content_encoded(attributes)
        self.contentparams["role"] = CONTENT

    _start_fullitem = _start_content_encoded

    def _start_body(self, attributes: Any) -> None:
        super()._start_body(attributes)
        self.contentparams["role"] = CONTENT

    _start_xhtml_body = _start_body

    def _start_media_title(self, attributes: Any) -> None:
        self.push_content("media_title", attributes, "text/plain", 1)

    def _end_media_title(self) -> None:
        self.pop_content("media_title")

    def _start_media_description(self, attributes: Any) -> None:
        self.push_content("media_description", attributes, "text/html", 1)

    def _end_media_description(self) -> None:
        self.pop_content("media_description")

    def _is_open(self, element: str) -> bool:
        return bool(self.elementstack) and self.elementstack[-1][0] == element


def _resolved(html: str, base: str, encoding: str, kind: str) -> str:
    """Return HTML with absolute links. feedparser's parser would drop words in angle brackets."""
    html = escape_words(html)
    return _resolve(html, base, encoding, kind) if _RELATIVE_LINK.search(html) else html


def _no_date(_written: str) -> None:
    """Replace feedparser's date parser; `scrm.channels.feed.dates` reads the text."""


def _tolerant(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a handler that leaves out an element which it cannot read."""

    @wraps(handler)
    def handle(*arguments: Any) -> Any:
        with suppress(*UNREADABLE):
            return handler(*arguments)

    return handle


# feedparser fails for elements in unusual places, such as `gml:pos` outside `georss:where`.
for _method in dir(_Elements):
    if (_found := _HANDLER.match(_method)) and _found[1] not in _NEEDED:
        setattr(_Elements, _method, _tolerant(getattr(_Elements, _method)))

# This process only parses, so feedparser may be changed globally.
for _name in ("StrictFeedParser", "LooseFeedParser"):
    _bases = (
        _Elements if base is _FeedParserMixin else base
        for base in getattr(feedparser.api, _name).__bases__
    )
    setattr(feedparser.api, _name, type(_name, tuple(_bases), {}))
_base._parse_date = dc._parse_date = _no_date
_resolve = feedparser.mixin.resolve_relative_uris
feedparser.mixin.resolve_relative_uris = _resolved


def read_xml(text: str, base: str, most: int) -> tuple[Any, list[Unread], str]:
    """Return feedparser's result, the entries that it cannot read, and which ones were left out.

    If feedparser cannot read the feed, each half of the entries is read separately, and so on,
    until the entries are found that it cannot read. Raises an error if no entry can be read.
    base: the address of the feed, for relative links. most: the number of entries to read.
    """
    text = well_formed(text)
    left_out = ""
    # Before they are parsed: feedparser takes seconds for some thousand entries.
    if len(_entry_starts(text)) > most:
        head, entries, tail = _cut(text)
        kept, left_out = newest(entries, most, _DATES.findall)
        text = head + "".join(kept) + tail
    try:
        return _parse(text, base), [], left_out
    except UNREADABLE:
        head, entries, tail = _cut(text)
        if not entries:
            raise
    parsed = _parse(head + tail, base)
    good: list[Any] = []
    bad: list[Unread] = []
    _read_by_halves(entries, head, tail, base, good, bad)
    parsed.entries = good
    return parsed, bad, left_out


def _read_by_halves(
    entries: list[str], head: str, tail: str, base: str, good: list[Any], bad: list[Unread]
) -> None:
    try:
        good += _parse(head + "".join(entries) + tail, base).entries
    except UNREADABLE as error:
        if len(entries) == 1:
            bad.append((entries[0], str(error) or type(error).__name__))
            return
        middle = len(entries) // 2
        _read_by_halves(entries[:middle], head, tail, base, good, bad)
        _read_by_halves(entries[middle:], head, tail, base, good, bad)


def _cut(text: str) -> tuple[str, list[str], str]:
    """Return the part before the entries, the entries, and the part after them."""
    starts = _entry_starts(text)
    if not starts:
        return text, [], ""
    last = _ENTRY_END.search(text, starts[-1])
    end = last.end() if last else len(text)
    bounds = [*starts, end]
    return (
        text[: starts[0]],
        [text[a:b] for a, b in pairwise(bounds)],
        text[end:],
    )


def _entry_starts(text: str) -> list[int]:
    """Return where the entries start. A prefix counts if it stands for a namespace of feeds."""
    prefixes: set[str | None] = {
        prefix
        for prefix, address in _PREFIX.findall(text[:_LONGEST_HEAD])
        if _FeedParserMixin.namespaces.get(address.strip()) == ""
    }
    prefixes.add(None)
    found = _ENTRY_START.finditer(text)
    return [start.start() for start in found if start[2] and start[1] in prefixes]


def _parse(text: str, base: str) -> Any:
    return feedparser.parse(
        text.encode(),
        response_headers={
            "content-location": base,
            "content-type": "application/xml; charset=utf-8",
        },
        resolve_relative_uris=True,
        sanitize_html=False,
    )
