"""Make facts of the entries that feedparser has read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote, urljoin

from scrm.channels.feed.dates import moment
from scrm.channels.feed.elements import CONTENT, DESCRIPTION, SUMMARY
from scrm.channels.feed.keys import Identity, digest, short_key
from scrm.channels.unreadable import UNREADABLE
from scrm.text.brackets import escape_words
from scrm.text.clean import clean, plain, safe_url, storable

Facts = dict[str, Any]
MAX_NAME = 500
_MAX_HTML, _MAX_AUTHORS = 300_000, 20
_ROLES = (CONTENT, DESCRIPTION, SUMMARY)
_DATES = ("published", "updated", "created")
_NO_TEXT_TYPES = ("image/", "audio/", "video/", "application/pdf", "application/zip")
_BASE64_FILE = re.compile(
    r"\s{0,99}(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|JVBERi0|UEsDB|H4sIA|SUQz[AB]|T2dnUw|AAAA[A-Z]GZ0eX"
    r"|PHN2Z[w-z])[A-Za-z0-9+/\s]{60,}+={0,2}\s{0,99}\Z"
)
"""A file in base64, by the first bytes of its format: PNG, JPEG, GIF, WebP or WAV, PDF, ZIP, gzip,
MP3, Ogg, MP4 or SVG. A long word has the same letters, but not this beginning."""
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_FEED_TYPES = re.compile(r"application/(?:(?:rss|atom|rdf|feed)\+(?:xml|json)|json)")
_LINE_BREAKS = re.compile(r"[\t\r\n]")
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f\"'<>\\]")
_WEB = re.compile(r"(?i)https?://[^/]")
_MAIL_AND_NAME = re.compile(r"[^\s@]+@\S+ \((.+)\)$")
_NAME_AND_MAIL = re.compile(r"([^<>@]{1,500}?)\s{0,9}[<(][^\s@<>()]{1,100}@[^\s<>()]{1,255}+[>)]\Z")
_MAIL = re.compile(r"(?:mailto:)?([^\s@<>()]{1,100}@[^\s@<>()]{1,255})\Z")


def entry_facts(entry: Any, parsed: Any, base: str, now: datetime) -> tuple[Facts, Identity]:
    """Return the facts of an entry without its key, and what identifies it.

    Raises one of UNREADABLE.
    """
    is_atom = text_of(parsed.version).startswith("atom")
    detail, html, words = _best_text(entry, is_atom=is_atom)
    title = _title(entry, is_atom=is_atom)
    author, author_url = _author(entry, parsed, is_atom=is_atom)
    reply = entry.get("thr_in-reply-to")
    dates = written_dates(entry)
    found = moment(dates, now)
    edited = moment([text_of(dict.get(entry, "updated"))], now)
    facts: Facts = {
        "title": title,
        "text": words,
        "html": clean(html),
        "url": _link(entry, base),
        "author": author,
        "author_url": safe_url(author_url),
        "language": _language(entry, detail, parsed),
        "in_reply_to": short_key(text_of(reply.get("ref"))) if isinstance(reply, Mapping) else "",
        "occurred_at": found.isoformat() if found else None,
        "edited_at": edited.isoformat() if edited else None,
        "content_hash": digest(
            text_of((entry.get("title_detail") or {}).get("value")), text_of(detail.get("value"))
        ),
    }
    return facts, Identity(
        id=text_of(entry.get("id")).strip(),
        link=text_of(entry.get("link")).strip() or facts["url"],
        title=title,
        text=facts["text"] or facts["html"],
        dates=" ".join(dates),
        at=found,
        may_be_revised=is_atom,
    )


def written_dates(entry: Any) -> list[str]:
    # dict.get: feedparser's own get() returns another date if one is missing.
    return [text_of(dict.get(entry, field)) for field in _DATES]


def address(base: str, reference: str) -> str:
    """Return an absolute web address, as a browser reads the reference; "" if it is none."""
    reference = _LINE_BREAKS.sub("", reference.strip())
    reference = _NOT_IN_ADDRESS.sub(lambda found: quote(found[0]), reference)
    try:
        return safe_url(urljoin(base, reference)) if reference else ""
    except ValueError:
        return ""


def as_html(text: str) -> str:
    """Return a plain text as HTML with its line breaks."""
    return escape(text).replace("\n", "<br>")


def name(value: object, *, is_plain: bool = False) -> str:
    """Return a name or a title in one line, without tags."""
    written = text_of(value)[: MAX_NAME * 10]
    if "<" not in written and "&" not in written:
        return " ".join(written.split())[:MAX_NAME]
    html = escape(written) if is_plain else escape_words(written, is_title=True)
    return " ".join(plain(html).split())[:MAX_NAME]


def name_in(facts: Mapping[str, Any], field: str) -> str:
    """Return a name that a feed or a link states; "" if it cannot be read, for nothing else
    depends on it."""
    try:
        return name(facts.get(field))
    except UNREADABLE:
        return ""


def text_of(value: object) -> str:
    return storable(value) if isinstance(value, str) else ""


def raw_entry(entry: Any, limit: int) -> str:
    return json.dumps(entry, default=str, separators=(",", ":"))[:limit]


def _title(entry: Any, *, is_atom: bool) -> str:
    for field in ("title_detail", "media_title_detail"):
        detail = entry.get(field) or {}
        is_plain = is_atom and detail.get("type") == "text/plain"
        if found := name(detail.get("value"), is_plain=is_plain):
            return found
    return ""


def _best_text(entry: Any, *, is_atom: bool) -> tuple[Mapping[str, Any], str, str]:
    """Return the first text that has words, with its HTML and its words.

    The order is: content, description, summary, caption of a medium. A content that is only a
    picture does not hide the description.
    """
    found = [*entry.get("content", ()), entry.get("summary_detail") or {}]
    by_role = [detail for role in _ROLES for detail in found if detail.get("role") == role]
    first: tuple[Mapping[str, Any], str, str] = ({}, "", "")
    for detail in (*by_role, entry.get("media_description_detail") or {}):
        if not _is_binary(text_of(detail.get("type")), text_of(detail.get("value"))):
            html = _markup(detail, is_atom=is_atom)
            if words := plain(html):
                return detail, html, words
            first = first if first[0] else (detail, html, "")
    return first


def _is_binary(kind: str, value: str) -> bool:
    """Return whether a content is empty or a file, such as a picture in base64."""
    return not value or kind.startswith(_NO_TEXT_TYPES) or bool(_BASE64_FILE.match(value))


def _language(entry: Any, detail: Mapping[str, Any], parsed: Any) -> str:
    """Return the language of the text, or else that of the entry, its title or the feed."""
    title = entry.get("title_detail") or {}
    for stated in (detail, entry, title, parsed.feed):
        if language := text_of(stated.get("language")).strip():
            return language[:35]
    return ""


def _markup(detail: Mapping[str, Any], *, is_atom: bool) -> str:
    """Return a text of a feed as HTML.

    Only an Atom feed states reliably that a text is plain; such a text is escaped. In an RSS feed,
    a text may be HTML even if it is declared as plain text.
    """
    value = text_of(detail.get("value"))[:_MAX_HTML]
    plain_text = is_atom and detail.get("type") == "text/plain"
    return as_html(value) if plain_text else escape_words(value)


def _link(entry: Any, base: str) -> str:
    """Return the address of the page of an entry; "" if it states none.

    An id is one if it is a whole web address and not declared to be something else.
    """
    pages: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for link in entry.get("links", ()):
        relations = text_of(link.get("rel")).lower().split()
        kind = text_of(link.get("type")).partition(";")[0].strip().lower()
        found = address(base, text_of(link.get("href")))
        if found and any(relation.endswith("alternate") for relation in relations):
            is_page = kind in ("", *_PAGE_TYPES, "html", "xhtml")
            (pages if is_page else others).append((kind, found))
    others = [link for link in others if not _FEED_TYPES.fullmatch(link[0])] or others
    if pages or others:
        return (pages or others)[0][1]
    guid = text_of(entry.get("id")).strip()
    return address(base, guid) if entry.get("guidislink") and _WEB.match(guid) else ""


def _author(entry: Any, parsed: Any, *, is_atom: bool) -> tuple[str, str]:
    """Return the names of an entry's authors, and the link of the first one.

    If an Atom entry has no author, the authors of its source or of the feed are returned. If they
    are missing too, the title of the feed is returned as the name.
    """
    sources = [entry]
    if is_atom:
        sources += [entry.get("source") or {}, parsed.feed]
    for source in sources:
        found = [_one_author(author) for author in source.get("authors", ())[:_MAX_AUTHORS]]
        # A mail address is often that of a person who is also named.
        named = [author for author in found if author[0] and not author[2]]
        if authors := named or [author for author in found if author[0]]:
            names = dict.fromkeys(author[0] for author in authors)
            return ", ".join(names)[:MAX_NAME], authors[0][1]
    return name_in(parsed.feed, "title"), ""


def _one_author(author: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Return the name and the link of an author, and whether the name is only a mail address."""
    written = text_of(author.get("text"))[: MAX_NAME * 10].strip()
    if both := _MAIL_AND_NAME.match(written) or _NAME_AND_MAIL.match(written):
        written = both[1]
    for value in (author.get("name"), written, author.get("email")):
        if mail := _MAIL.match(text_of(value).strip()):
            return mail[1], text_of(author.get("href")), True
        if found := name(value):
            return found, text_of(author.get("href")), False
    return "", text_of(author.get("href")), False


def feed_facts(parsed: Any) -> Facts:
    """Return the facts of the feed itself: version, title, link, ttl and maker."""
    feed = parsed.feed
    return {
        "version": parsed.get("version") or ("unknown" if parsed.entries else ""),
        "title": name_in(feed, "title"),
        "link": safe_url(text_of(feed.get("link"))),
        "ttl": name_in(feed, "ttl"),
        "maker": " ".join(_maker(feed)),
    }


def _maker(feed: Any) -> Iterator[str]:
    """Return the name and the address of the program that made the feed."""
    detail = feed.get("generator_detail") or {}
    yield from (text_of(part) for part in (feed.get("generator"), detail.get("href")) if part)
