"""The test feeds of feedparser: what they expect is read, or is a deliberate difference.

Each file states in a comment what feedparser must return. The tests compare each `==` in it, for
the fields that scrm reads.
"""

from __future__ import annotations

import ast
import codecs
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import feedparser
import pytest

from scrm.channels.feed.parse import parse_feed
from scrm.text.clean import plain
from scrm.text.decode import charset_of, codec_of, decode

ROOT = Path(__file__).parents[2]
PLACES = [
    Path(os.environ.get("SCRM_SHARED_DATA") or ROOT.parent / "shared/data"),
    ROOT.parents[1] / "shared/data",  # for a git worktree in a directory of its own
]
FEEDS = next((place for place in PLACES if place.is_dir()), PLACES[0]) / "feeds/tests"
EXPECTED = re.compile(r"Expect:\s*([^\r\n]*)")
HEADER = re.compile(r"Header:\s*([\w-]+):\s*([^\r\n]*)")
ADDRESS = "http://127.0.0.1:8097/feed.xml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FEEDS.is_dir(), reason="the collection of feeds is not here"),
]

NOT_READ = {
    "bozo": "scrm does not say whether a feed is valid; it reads what it can",
    "headers etag modified newlocation": "the channel reads the headers of the answer",
    "feed.(?!title|link|ttl|generator)": "only the title, link, interval and program of the feed "
        "are read",
    "feed.title_detail.(?!value)": "the title of the feed is shown as plain text",
    "feed.generator_detail": "only the name and the address of the program count",
    "feed.links": "the link of the feed is enough",
    "entries.0.(title|summary|content|rights)(_detail)?.*(type|base|src)":
        "used to read the text, but not stored",
    "entries.0.source": "the source of an entry only gives its authors",
    "entries.0.(tags|category|categories)": "categories are not read",
    "entries.0.contributors": "contributors are no authors",
    "entries.0.(rights|copyright|license|publisher|expired|where|comments|wfw_)":
        "not read: nothing in scrm needs it",
    "entries.0.(enclosures|links.0.?(?!.?href$)|links.1|links$)": "one link is read, to the page",
    "entries.0.(published|updated|created)$": "the date is compared, not how it is written",
}  # fmt: skip
"""Fields that scrm does not read, and why."""

NAME_ONLY = "the name of the author is read; the mail address only if there is no name"
ALL_AUTHORS = "all authors are read, separated by commas"
ONE_TEXT = "one text is read: the content, or else the description, or else the summary"
BLANK = "an empty xml:lang does not hide the language of the feed"
ONE_LANGUAGE = "the language is that of the text, not that of the title"
NO_LANGUAGE_HEADER = "the header Content-Language is not read"
IDS_STAY = "ids are not resolved, or all entries would count as new after the feed moves"
ADDRESS_COUNTS = "the base is the address of the feed, not the header Content-Location"
BRACKETS = "the text is plain, so the brackets are words; the test compares HTML"
LICENSE = "a license is not the page of the entry"
WITH_ADDRESS = "the address of the program is read too: it names WordPress"
NAMELESS = "the address of an author without a name is not read: nobody could be shown"
RELATIVE = "the address of the author is relative, and the author has no name"
ASCII = "the text is in ASCII, which is also UTF-8; a feed in XML is never taken for windows-1252"
LONE_BYTES = "an invalid byte is one U+FFFD, and text encoded twice is repaired"
UTF_32 = "UTF-32 is not in the WHATWG Encoding Standard; letters in ASCII are read"
DIFFERENT: dict[str, str] = {
    "encoding/bozo_linenoise.xml": LONE_BYTES,
    **{f"encoding/http_text_{name}.xml": ASCII for name in (
        "atom_xml_default", "rss_xml_default", "xml_bogus_charset", "xml_bogus_param",
        "xml_default", "xml_epe_default", "xml_qs",
    )},
    **{f"encoding/{name}.xml": UTF_32 for name in (
        "utf-32be-autodetect", "utf-32be-bom", "utf-32be", "utf-32le-autodetect", "utf-32le-bom",
        "utf-32le", "utf_32",
    )},
    **{f"wellformed/atom10/entry_{name}.xml": NAME_ONLY for name in (
        "author_email", "author_map_author",
    )},
    **{f"wellformed/atom10/entry_authors_{name}.xml": ALL_AUTHORS for name in ("email", "name")},
    **{f"wellformed/atom10/entry_authors_{name}.xml": NAMELESS for name in ("uri", "url")},
    "wellformed/atom10/entry_content_and_summary.xml": ONE_TEXT,
    "wellformed/atom10/entry_content_text_plain_brackets.xml": BRACKETS,
    "wellformed/atom10/entry_title_text_plain_brackets.xml": BRACKETS,
    "wellformed/atom10/entry_link_rel_license.xml": LICENSE,
    "wellformed/atom10/feed_generator.xml": WITH_ADDRESS,
    **{f"wellformed/base/http_entry_author_url_base_{name}.xml": RELATIVE
       for name in ("content_location", "docuri")},
    **{f"wellformed/base/http_entry_id_base_{name}.xml": IDS_STAY
       for name in ("content_location", "docuri")},
    "wellformed/http/headers_content_location-relative.xml": ADDRESS_COUNTS,
    "wellformed/http/headers_content_location-unsafe.xml": ADDRESS_COUNTS,
    **{f"wellformed/lang/entry_{name}_xml_lang_blank.xml": BLANK
       for name in ("content", "summary", "title")},
    "wellformed/lang/entry_content_xml_lang_blank_2.xml": BLANK,
    "wellformed/lang/entry_title_xml_lang_inherit_3.xml": ONE_LANGUAGE,
    "wellformed/lang/entry_title_xml_lang_inherit_4.xml": ONE_LANGUAGE,
    "wellformed/lang/http_content_language_entry_title_inherit.xml": NO_LANGUAGE_HEADER,
    "wellformed/lang/http_content_language_entry_title_inherit_2.xml": NO_LANGUAGE_HEADER,
    **{f"wellformed/rss/item_{name}.xml": NAME_ONLY for name in (
        "author_map_author_detail_email", "author_map_author_detail_email2",
        "author_map_author_detail_email3", "dc_author_map_author_detail_email",
        "dc_creator_map_author_detail_email",
    )},
    "wellformed/rss/item_multiple_dc_creator.xml": ALL_AUTHORS,
    "wellformed/rss/item_description_and_summary.xml": ONE_TEXT,
    "wellformed/rss/item_summary_and_description.xml": ONE_TEXT,
}  # fmt: skip
"""Files from which scrm reads something else than feedparser, and why."""


def reads_field(path: str) -> bool:
    return not any(re.match(pattern, path) for pattern in NOT_READ)


@cache
def files() -> list[Path]:
    return sorted(FEEDS.rglob("*.xml"))


def text_of(body: bytes) -> str:
    return decode(body, markup=True).text.replace("\0", "")  # files in UTF-32


def facts_of(path: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    """Return what scrm reads, the headers of the answer, and the expectation."""
    body = path.read_bytes()
    head = text_of(body)[:3000]
    expected = EXPECTED.search(head)
    headers = {name.lower(): value.strip() for name, value in HEADER.findall(head)}
    base = headers.get("content-location", ADDRESS)
    facts = parse_feed(body, base, headers.get("content-type", ""))
    return facts, headers, expected[1].strip() if expected else ""


def path_of(node: ast.expr) -> str:
    """Return the field that an expression names, such as `entries.0.title`; "" if it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Subscript | ast.Attribute):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        else:
            parts.append(str(getattr(node.slice, "value", "?")))
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def comparisons(expected: str) -> Iterator[tuple[str, Any]]:
    """Return the fields and the values of an expectation."""
    for node in ast.walk(ast.parse(expected, mode="eval")):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
            value = node.comparators[-1]
            for side in (node.left, *node.comparators[:-1]):
                if path := path_of(side):
                    yield path, ast.literal_eval(value)


def line(html: object) -> str:
    return " ".join(plain(html).split()) if isinstance(html, str) else ""


FIELDS = {
    "title": "title", "title_detail.value": "title", "summary": "html", "description": "html",
    "summary_detail.value": "html", "content.0.value": "html", "link": "url",
    "links.0.href": "url", "id": "key", "guid": "key", "language": "language",
    "title_detail.language": "language", "summary_detail.language": "language",
    "content.0.language": "language", "author": "author", "author_detail.name": "author",
    "author_detail.email": "author", "author_detail.url": "author_url",
    "author_detail.href": "author_url",
    **{f"authors.{n}.{part}": "author" for n in (0, 1) for part in ("name", "email")},
    **{f"authors.{n}.{part}": "author_url" for n in (0, 1) for part in ("url", "href")},
    **{f"{name}_parsed": "occurred_at" for name in ("published", "updated", "created")},
    "feed.title": "title", "feed.title_detail.value": "title", "feed.link": "link",
    "feed.ttl": "ttl", "feed.generator": "maker", "version": "version",
}  # fmt: skip
"""Fields of feedparser, and the facts of scrm that have the same value."""


def read_value(path: str, expected: Any, facts: dict[str, Any]) -> tuple[Any, Any]:
    """Return what scrm reads in a field, and the expected value in the same form."""
    source, field = facts, path
    if found := re.match(r"entries\.(\d)\.", path):
        source, field = facts["entries"][int(found[1])], path[found.end() :]
    if field not in FIELDS:
        return f"{path} is not compared", expected
    fact = source[FIELDS[field]]
    if FIELDS[field] in ("title", "html"):
        return line(fact) if FIELDS[field] == "html" else fact, line(expected)
    if FIELDS[field] == "occurred_at":
        return fact, datetime(*expected[:6], tzinfo=UTC).isoformat() if expected else None
    return fact or None, expected


def differences(path: Path) -> list[str]:
    facts, headers, expected = facts_of(path)
    found = []
    for field, value in comparisons(expected or "True"):
        if field == "encoding":
            body = path.read_bytes()
            charset = charset_of(headers.get("content-type", ""))
            read, value = (
                decode(body, charset, markup=True).codec,
                codecs.lookup(codec_of(value) or value).name,
            )
            read = codecs.lookup(read).name
        elif reads_field(field):
            read, value = read_value(field, value, facts)
        else:
            continue
        if read != value:
            found.append(f"{field}: {read!r} instead of {value!r}")
    return found


def test_what_the_feeds_expect_is_read() -> None:
    found = {str(path.relative_to(FEEDS)): differences(path) for path in files()}
    found = {name: texts for name, texts in found.items() if texts}
    assert {name: texts for name, texts in found.items() if name not in DIFFERENT} == {}
    assert set(DIFFERENT) - set(found) == set()


def test_no_entry_is_lost() -> None:
    lost = []
    for path in files():
        facts, _headers, _expected = facts_of(path)
        count = len(feedparser.parse(path.read_bytes(), sanitize_html=False).entries)
        if len(facts["entries"]) < count or facts["unreadable"]:
            lost.append(path.name)
    assert lost == []
