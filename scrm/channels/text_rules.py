"""How long a text may be on a network, and how a long text is split into a thread.

The network X counts by the published rules of its text parser, version 3. A link counts 23 units. A
code point of the Latin, Greek, Cyrillic or a similar script counts 1 unit, and any other code point
counts 2. A whole emoji counts 2 units. The text is counted in its composed form (NFC).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

import regex

from scrm.text.normal import normalize

Unit = Literal["characters", "graphemes", "weighted"]
"""What a network counts.

characters: code points. graphemes: characters as a reader sees them, for example an emoji made of
several code points. weighted: as X counts.
"""

LINK = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_COUNTRIES = (
    "a[cdefgilmoqrstuwxz]|b[abdefghijmnorstvwyz]|c[acdfghiklmnoruvwxyz]|d[ejkmoz]|e[cegrstu]|"
    "f[ijkmor]|g[abdefghilmnpqrstuwy]|h[kmnrtu]|i[delmnoqrst]|j[emop]|k[eghimnprwyz]|"
    "l[abcikrstuvy]|m[acdeghklmnopqrstuvwxyz]|n[acefgilopruz]|om|p[aefghklmnrstwy]|qa|r[eosuw]|"
    "s[abcdeghijklmnorstuvxyz]|t[cdfghjklmnortvwz]|u[agksyz]|v[aceginu]|w[fs]|y[et]|z[amw]"
)
_GENERIC = (
    "com|org|net|edu|gov|mil|int|info|biz|name|pro|aero|coop|jobs|mobi|museum|travel|app|dev|blog|"
    "shop|store|online|site|website|xyz|news|live|media|tech|top|world|page|link|email|cloud|club|"
    "agency|bank|berlin|hamburg|koeln|swiss|wien|london|paris|nyc|asia"
)
_LETTERS = r"a-z0-9_\u00c0-\u024f\u0400-\u04ff"
LINK_OR_DOMAIN = re.compile(
    # The look-behind keeps this linear: a search begins only where a domain can begin.
    rf"(?:https?://[{_LETTERS}.-]{{0,255}}"
    rf"|(?<![a-z0-9_@$#./-])(?:[a-z0-9_-]{{1,63}}\.)+(?:{_GENERIC}|{_COUNTRIES})(?![a-z0-9@+-]))"
    rf"(?::[0-9]{{1,5}})?(?:[/?][{_LETTERS}!#$%&'()*+,./:;=?@\[\]~|-]{{0,2000}})?",
    re.IGNORECASE,
)
"""What X makes a link: an address with http(s), and also a bare domain such as "skyward.com".

The path of a link has only Latin and Cyrillic letters, so Chinese text after a link is no part of
it. The list of generic domains is short; of the domains of countries, all are known. If in doubt,
something is a link, because a post with a link is dearer.
"""
_SPACES = re.compile(r"\s+")
_ENDS = frozenset(".!?…。")
_TRAILING = ".,:;!?)]}'*~|$%&@(["
_REMOTE_MENTION = re.compile(r"(?<![\w@])(@\w{1,100})@[\w.-]{1,250}")
_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3")
_NARROW = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
_COUNTER_LENGTH = len(" 10/10")
MAX_PARTS = 25
_MOST_PER_UNIT = 100
"""A part is looked for in so many code points per unit of the limit; links can be long."""


@dataclass(frozen=True, slots=True)
class TextRules:
    """The limits of a text on a network.

    max_length: the maximum number of units of a text; None for no limit.
    link_length: the number of units that every link counts, whatever its length; None if links
    count as they are written.
    bare_domains: whether a domain without "https://" is a link too.
    short_mentions: whether a mention like "@name@server" counts as if it were only "@name".
    unit_bytes: the number of bytes (UTF-8) that count at least as one unit; None if bytes do not
    count. It expresses a second limit: 300 characters and 3,000 bytes are 10 bytes per unit.
    threads: whether a longer text can be sent as several posts, each of which answers the post
    before it.
    """

    max_length: int | None = None
    unit: Unit = "characters"
    link_length: int | None = None
    bare_domains: bool = False
    short_mentions: bool = False
    unit_bytes: int | None = None
    threads: bool = False

    def count(self, text: str) -> int:
        """Return how many units of the network this text has."""
        total = 0
        if self.link_length is not None:
            pattern = LINK_OR_DOMAIN if self.bare_domains else LINK
            text, links = _without_links(text, pattern)
            total = links * self.link_length
        if self.short_mentions:
            text = _REMOTE_MENTION.sub(r"\1", text)
        total += _units(text, self.unit)
        if self.unit_bytes is not None:
            size = len(text.encode("utf-8", "replace"))
            total = max(total, -(-size // self.unit_bytes))
        return total

    def excess(self, text: str) -> int:
        """Return by how many units the text is too long; 0 if it fits."""
        return max(0, self.count(text) - self.max_length) if self.max_length else 0

    def split(self, text: str) -> tuple[str, ...]:
        """Split a text into the posts of a thread, between paragraphs, sentences or words.

        Each post fits the limit and ends with its number, like " 2/3". A text that fits stays one
        post without a number. The result is empty if the text cannot be split: the network has no
        threads, a single word is too long, or the thread would have more than `MAX_PARTS` posts.
        """
        text = text.strip()
        if not self.excess(text):
            return (text,)
        if not self.threads or not self.max_length:
            return ()
        parts = self._fill(text, self.max_length - _COUNTER_LENGTH)
        if not parts or len(parts) > MAX_PARTS:
            return ()
        return tuple(f"{part} {number}/{len(parts)}" for number, part in enumerate(parts, 1))

    def _fill(self, text: str, limit: int) -> list[str]:
        """Return the parts of a text, each filled as far as the limit allows.

        The result is empty if the text cannot be split.
        """
        parts: list[str] = []
        while self.count(text) > limit:
            end = self._break(text, limit)
            if not end or len(parts) == MAX_PARTS:
                return []
            parts.append(text[:end].rstrip())
            text = text[end:].lstrip()
        return [*parts, text]

    def _break(self, text: str, limit: int) -> int:
        """Return the best place to break the text so that the first part fits; 0 if there is none.

        The longest possible first part ends at the last space within the limit. A first part that
        ends with a paragraph is preferred, then one that ends with a sentence. But such a part is
        used only if it is at least half as long as the longest possible part.
        """
        spaces = list(_SPACES.finditer(text[: limit * _MOST_PER_UNIT]))
        fitting = bisect_right(spaces, limit, key=lambda space: self.count(text[: space.start()]))
        best: dict[str, int] = {}
        for space in spaces[:fitting]:
            best[_kind_of_break(text, space)] = space.start()
        last = max(best.values(), default=0)
        full_enough = (best.get(kind, 0) for kind in ("paragraph", "sentence"))
        return next((end for end in full_enough if end and end * 2 >= last), last)


def _kind_of_break(text: str, space: re.Match[str]) -> str:
    if "\n\n" in space[0]:
        return "paragraph"
    return "sentence" if text[space.start() - 1 : space.start()] in _ENDS else "word"


def _without_links(text: str, pattern: re.Pattern[str]) -> tuple[str, int]:
    """Return the text without its links, and the number of links."""
    rest, end, links = [], 0, 0
    for found in pattern.finditer(text):
        link = found[0].rstrip(_TRAILING)
        rest.append(text[end : found.start()])
        end, links = found.start() + len(link), links + 1
    return "".join([*rest, text[end:]]), links


def _units(text: str, unit: Unit) -> int:
    if unit == "characters":
        return len(text)
    if unit == "graphemes":
        return len(_GRAPHEME.findall(text))
    # X counts the composed form, in which a letter with an accent is one code point.
    return sum(map(_weight, _GRAPHEME.findall(normalize("NFC", text))))


def _weight(grapheme: str) -> int:
    """Return how many units the network X counts for a grapheme."""
    # Digits and "#" become emoji only with a keycap sign, so a plain "1" stays narrow.
    if len(grapheme) > 1 and _EMOJI.search(grapheme):
        return 2
    return sum(1 if any(low <= ord(c) <= high for low, high in _NARROW) else 2 for c in grapheme)
