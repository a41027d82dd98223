"""Parse feeds and HTML pages, in a child process that may be killed.

`scrm.channels.feed.child` runs this module.

A request is a line of JSON (`{"op", "length", "seconds", "base", "type"}`) followed by `length`
bytes. The answer is a line of JSON. The process does not use the network and keeps no data of
earlier requests.
"""

from __future__ import annotations

import hashlib
import json
import re
import resource
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser
from typing import Any, BinaryIO
from urllib.parse import urljoin

import feedparser

from scrm.channels.unreadable import UNREADABLE
from scrm.text.clean import clean, plain, safe_url, storable
from scrm.text.decode import charset_of, decode

MAX_ENTRIES = 2_000
MAX_RAW_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_HTML, _MAX_NAME, _MAX_KEY = 300_000, 500, 500
_XML_DECLARATION = re.compile(r"<\?xml\b[^>]{0,500}\?>")
_REFERENCE = re.compile(rb"(?i)&#(x[0-9a-f]{1,20}|[0-9]{1,20});?")
_FEED_TYPES = {"application/rss+xml", "application/atom+xml"}
_MAX_PAGE, _MAX_LINKS = 512 * 1024, 20

# feedparser resolves ids against the address of the feed, so that all entries would count as new
# after the feed moves to https. This process only parses, so the set may be changed globally.
feedparser.mixin._FeedParserMixin.can_be_relative_uri.discard("id")
_sync_author = feedparser.mixin._FeedParserMixin._sync_author_detail


def _sync_short_author(self: Any, key: str = "author") -> None:
    """Call feedparser's `_sync_author_detail`, but only if the author field is short.

    feedparser searches the field for a mail address with a pattern that takes quadratic time.
    """
    if len(self._get_context().get(key) or "") <= _MAX_NAME:
        _sync_author(self, key)


feedparser.mixin._FeedParserMixin._sync_author_detail = _sync_short_author


def parse_feed(body: bytes, base: str = "", content_type: str = "") -> dict[str, Any]:
    """Return the contents of a feed as values that JSON can represent.

    The keys are `{"version", "title", "link", "ttl", "maker", "entries", "unreadable"}`. Each entry
    has the keys key, title, text, html, url, author, author_url, language, in_reply_to, raw (str)
    and occurred_at (ISO 8601 or None). `version` is "" if the body is no feed.
    """
    kind = content_type.partition(";")[0]
    headers = {"content-location": base, "content-type": f"{kind}; charset=utf-8"}
    body = _in_utf_8(body, content_type)
    try:
        parsed = _parse(body, headers)
    except (ValueError, OverflowError):
        # A character reference to a surrogate or beyond Unicode makes feedparser fail: drop such
        # references.
        parsed = _parse(_REFERENCE.sub(_character, body), headers)
    entries, unreadable = [], []
    for entry in parsed.entries[:MAX_ENTRIES]:
        raw = json.dumps(entry, default=str, separators=(",", ":"))[:MAX_RAW_BYTES]
        try:
            entries.append({**_entry(entry, parsed, base), "raw": raw})
        except UNREADABLE as error:
            unreadable.append({"raw": raw, "reason": f"This entry cannot be read: {error}"})
    feed = parsed.feed
    return {
        "version": parsed.version or ("unknown" if parsed.entries else ""),
        "title": _name_in(feed, "title"),
        "link": safe_url(_text(feed.get("link"))),
        "ttl": _name_in(feed, "ttl"),
        "maker": _maker(feed),
        "entries": entries,
        "unreadable": unreadable,
    }


def parse_page(
    body: bytes,
    base: str = "",
    content_type: str = "",
) -> dict[str, Any]:
    """Return `{"links": [[address, title], …]}`: the feeds to which a page links."""
    finder = _FeedLinks(base)
    finder.feed(decode(body[:_MAX_PAGE], charset_of(content_type), markup=True).text)
    return {"links": finder.links[:_MAX_LINKS]}


def _in_utf_8(body: bytes, content_type: str) -> bytes:
    """Return a feed in UTF-8.

    feedparser would decode a feed with one invalid byte in a charset that fits none of its text.
    """
    text = decode(body, charset_of(content_type), markup=True).text.lstrip()
    # The declaration states the former charset.
    return storable(_XML_DECLARATION.sub("", text, count=1)).encode()


def _parse(body: bytes, headers: dict[str, str]) -> Any:
    return feedparser.parse(
        body, response_headers=headers, resolve_relative_uris=True, sanitize_html=False
    )


def _character(reference: re.Match[bytes]) -> bytes:
    """Return the character reference if it stands for a valid character, else b""."""
    digits = reference[1].lower()
    number = int(digits[1:], 16) if digits.startswith(b"x") else int(digits)
    return reference[0] if 0 < number < 0xD800 or 0xDFFF < number < 0x110000 else b""


def _entry(entry: Any, parsed: Any, base: str) -> dict[str, Any]:
    content = next((c for c in entry.get("content", ()) if c.get("value")), None)
    detail = content or entry.get("summary_detail") or {}
    html = _markup(detail, parsed)
    title = _name(_markup(entry.get("title_detail") or {}, parsed))
    link = _text(entry.get("link"))
    author, author_url = _author(entry, parsed)
    language = detail.get("language") or parsed.feed.get("language")
    reply = entry.get("thr_in-reply-to")
    return {
        "key": _key(_text(entry.get("id")) or link or _digest(title, html)),
        "title": title,
        "text": plain(html),
        "html": clean(html),
        "url": _joined(base, link) if link else "",
        "author": author,
        "author_url": safe_url(author_url),
        "language": _text(language).strip()[:35],
        "in_reply_to": _key(_text(reply.get("ref"))) if isinstance(reply, Mapping) else "",
        "occurred_at": _moment(entry),
    }


def _maker(feed: Any) -> str:
    """Return the name of the program that made the feed, as the feed states it."""
    detail = feed.get("generator_detail") or {}
    return " ".join(_text(part) for part in (feed.get("generator"), detail.get("href")) if part)


def _markup(detail: Any, parsed: Any) -> str:
    """Return a text of a feed as HTML.

    Only an Atom feed states reliably that a text is plain; such a text is escaped. In an RSS feed,
    a text may be HTML even if it is declared as plain text.
    """
    value = _text(detail.get("value"))[:_MAX_HTML]
    plain_text = detail.get("type") == "text/plain" and _text(parsed.version).startswith("atom")
    return escape(value) if plain_text else value


_MAIL_AND_NAME = re.compile(r"[^\s@]+@\S+ \((.+)\)$")


def _author(entry: Any, parsed: Any) -> tuple[str, str]:
    """Return the name and the link of an entry's author.

    If an Atom entry has no author, the author of the feed is returned. If that is missing too, the
    title of the feed is returned as the name.
    """
    sources = [entry, parsed.feed] if _text(parsed.version).startswith("atom") else [entry]
    for source in sources:
        detail = source.get("author_detail") or {}
        # feedparser cuts the domain of a mail address after four letters and takes the rest for a
        # name.
        written = _MAIL_AND_NAME.match(_text(source.get("author"))[: _MAX_NAME * 10])
        name = written[1] if written else detail.get("name") or source.get("author")
        if name := _name(name):
            return name, _text(detail.get("href"))
    return _name_in(parsed.feed, "title"), ""


def _moment(entry: Any) -> str | None:
    """Return when the entry was published, in UTC; None if the time is missing or absurd."""
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        parts = entry.get(name)
        if parts and 1970 <= parts[0] <= 9999:
            year, month, day, hour, minute, second = parts[:6]
            # Python does not support leap seconds, so take the last second of that minute.
            return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).isoformat()
    return None


def _key(key: str) -> str:
    """Return the key. If the key is too long for a database index, return its hash."""
    key = key.strip()
    return key if len(key) <= _MAX_KEY else "sha256:" + _digest(key)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _name(value: object) -> str:
    return " ".join(plain(_text(value)[: _MAX_NAME * 10]).split())[:_MAX_NAME]


def _name_in(facts: Mapping[str, Any], field: str) -> str:
    """Return a name that a feed or a link states; "" if it cannot be read, for nothing else
    depends on it."""
    try:
        return _name(facts.get(field))
    except UNREADABLE:
        return ""


def _text(value: object) -> str:
    return storable(value) if isinstance(value, str) else ""


class _FeedLinks(HTMLParser):
    """Collects the addresses of feeds from `<link rel="alternate">` tags of a page.

    Relative addresses are resolved against `<base>` or the address of the page.
    """

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.links: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = _joined(self.base, found.get("href", "")) or self.base
        elif tag == "link" and "alternate" in found.get("rel", "").lower().split():
            kind = found.get("type", "").partition(";")[0].strip().lower()
            address = _joined(self.base, found.get("href", ""))
            if kind in _FEED_TYPES and address and address not in dict(self.links):
                self.links.append((address, _name_in(found, "title")))


def _joined(base: str, reference: str) -> str:
    try:
        return safe_url(urljoin(base, reference.strip()))
    except ValueError:
        return ""


_OPERATIONS = {"feed": parse_feed, "page": parse_page}


def _answer(request: dict[str, Any], body: bytes) -> bytes:
    """Return the answer as a line of JSON. If parsing fails, the answer contains the reason."""
    try:
        result = _OPERATIONS[request["op"]](body, request["base"], request["type"])
        line = json.dumps(result).encode()
        if len(line) <= MAX_ANSWER_BYTES:
            return line
        reason = "it is too large"
    except MemoryError:
        reason = "it needs too much memory"
    except RecursionError:
        reason = "it is nested too deeply"
    # The feed is at fault for any error of the parser, so the error becomes the reason.
    except Exception as error:
        reason = f"the parser gave up ({type(error).__name__}: {str(error)[:200]})"
    return json.dumps({"error": reason}).encode()


def serve(requests: BinaryIO, answers: BinaryIO, memory: int) -> None:
    """Answer requests until the parent process closes the pipe.

    Each request says in "seconds" how much CPU time it may use. If it uses more, the kernel kills
    this process.
    """
    # Set before the first request, so that no feed can fill the memory or leave a core dump.
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while line := requests.readline():
        request = json.loads(line)
        body = requests.read(request["length"])
        # The kernel's timer kills the process even inside C code, because no Python handler has to
        # run.
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        answer = _answer(request, body)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(answer + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
