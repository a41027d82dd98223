"""The contents that a column of an export may have, and how they are guessed from its heading."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as __

from scrm.text.fold import fold

NOTHING = ""
TEXT, TITLE, WHEN, URL, PAGE = "text", "title", "when", "url", "page"
AUTHOR, HANDLE, AUTHOR_ID, REACH = "author", "handle", "author_id", "reach"
NETWORK, LANGUAGE, COUNTRY = "network", "language", "country"
CONTENTS = [
    (NOTHING, __("Not used")),
    (TEXT, __("Text")),
    (TITLE, __("Title")),
    (WHEN, __("Date and time")),
    (URL, __("URL")),
    (PAGE, __("Shared page URL")),
    (AUTHOR, __("Author name")),
    (HANDLE, __("Author handle")),
    (AUTHOR_ID, __("Author URL or ID")),
    (REACH, __("Author reach")),
    (NETWORK, __("Network or site")),
    (LANGUAGE, __("Language")),
    (COUNTRY, __("Author country")),
]
ONE_OF_EACH = tuple(content for content, _ in CONTENTS if content)
_SIGNS = re.compile(r"[\W_]+")
_LOOK_AT = 20
"""The heading is one of the first rows. Some tools write a few lines about the query above it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """The columns of one tool's export.

    tool: the name of the tool, as users know it; "" for the preset of unknown tools.
    signs: headings that only this tool uses. A file with two of them is an export of the tool.
    headings: content → the headings of such a column. The first heading that the file has is used.
    """

    tool: str
    signs: frozenset[str]
    headings: Mapping[str, tuple[str, ...]]

    def fits(self, heading: Sequence[str]) -> bool:
        return len(self.signs & {_name(cell) for cell in heading}) >= 2

    def contents(self, heading: Sequence[str]) -> list[str]:
        """Return the content of each column. A column with an unknown heading gets NOTHING."""
        names = [_name(cell) for cell in heading]
        found = [NOTHING] * len(names)
        for content, wanted in self.headings.items():
            numbers = [names.index(name) for name in wanted if name in names]
            free = [n for n in numbers if found[n] == NOTHING]
            if free:
                found[free[0]] = content
        return found


RADIAN6 = Preset(
    "Radian6",
    frozenset(
        {
            "topic profile",
            "source tags",
            "post tags",
            "media type",
            "media provider",
            "source media type",
        }
    ),
    {
        TEXT: ("content", "snippet", "post content"),
        TITLE: ("headline", "title"),
        WHEN: ("publish date", "published date", "post date", "date"),
        URL: ("url", "article url", "post url", "permalink"),
        AUTHOR: ("author", "author name"),
        HANDLE: ("screen name", "author handle", "twitter handle"),
        AUTHOR_ID: ("author url", "author id", "external author id"),
        REACH: ("followers", "twitter followers", "author followers"),
        NETWORK: ("media provider", "source media type", "media type", "source"),
        LANGUAGE: ("language",),
        COUNTRY: ("country", "author country"),
    },
)
BRANDWATCH = Preset(
    "Brandwatch",
    frozenset(
        {
            "query name",
            "query id",
            "page type",
            "thread entry type",
            "full text",
            "resource id",
            "snippet",
        }
    ),
    {
        TEXT: ("full text", "snippet"),
        TITLE: ("title",),
        WHEN: ("date",),
        URL: ("url", "mention url"),
        AUTHOR: ("full name", "author full name"),
        HANDLE: ("author", "twitter author"),
        AUTHOR_ID: ("twitter author id", "author id"),
        REACH: ("twitter followers", "followers"),
        NETWORK: ("domain", "page type"),
        LANGUAGE: ("language",),
        COUNTRY: ("country",),
    },
)
TALKWALKER = Preset(
    "Talkwalker",
    frozenset(
        {
            "extra author attributes name",
            "extra author attributes short name",
            "source type",
            "host url",
            "domain url",
            "content snippet",
            "title snippet",
        }
    ),
    {
        TEXT: ("content", "content snippet"),
        TITLE: ("title", "title snippet"),
        WHEN: ("published", "indexed"),
        URL: ("url",),
        AUTHOR: ("extra author attributes name", "author"),
        HANDLE: ("extra author attributes short name",),
        AUTHOR_ID: ("extra author attributes url", "extra author attributes id"),
        REACH: ("followers", "extra source attributes followers"),
        NETWORK: ("domain url", "host url", "source type"),
        LANGUAGE: ("lang", "language"),
        COUNTRY: ("extra author attributes world data country", "country"),
    },
)
_UNKNOWN = Preset(
    "",
    frozenset(),
    {
        TEXT: ("text", "content", "message", "body", "post", "full text", "snippet", "mention",
               "comment", "description", "inhalt"),
        TITLE: ("title", "headline", "subject", "titel"),
        WHEN: ("date", "published", "publish date", "published at", "created at", "timestamp",
               "date and time", "time", "datum"),
        URL: ("url", "link", "permalink", "post url", "mention url", "address"),
        AUTHOR: ("author", "author name", "name", "full name", "user", "autor"),
        HANDLE: ("handle", "author handle", "username", "user name", "screen name"),
        AUTHOR_ID: ("author url", "author id", "profile url", "user id", "author link"),
        REACH: ("reach", "followers", "follower count", "author followers", "audience"),
        NETWORK: ("network", "source", "site", "source name", "platform", "channel", "domain",
                  "media type", "quelle"),
        LANGUAGE: ("language", "lang", "sprache"),
        COUNTRY: ("country", "author country", "land"),
    },
)  # fmt: skip
PRESETS = (RADIAN6, BRANDWATCH, TALKWALKER)


def preset(heading: Sequence[str]) -> Preset:
    """Return the preset of the tool that wrote this heading, or the one of unknown tools."""
    return next((each for each in PRESETS if each.fits(heading)), _UNKNOWN)


def heading_row(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the number of the row with the column names, counted from 0; None if there is none.

    It is the first row with the headings of a tool, or else the first row with two known headings.
    The very first row needs only one known heading.
    """
    first = rows[:_LOOK_AT]
    for n, row in enumerate(first):
        if preset(row).tool:
            return n
    known = [len(set(_UNKNOWN.contents(row)) - {NOTHING}) for row in first]
    return next((n for n, names in enumerate(known) if names >= 2 or (names and not n)), None)


def _name(heading: str) -> str:
    """Return a heading in the form in which the presets contain it."""
    return _SIGNS.sub(" ", fold(heading[:200])).strip()
