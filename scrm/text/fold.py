"""Fold Unicode text for comparison, in any writing system."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from unicodedata import category

from scrm.text.normal import normalize

# Invisible signs: soft hyphen, zero width, direction marks, variation selectors.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
_LATIN_OR_GREEK = (
    "A-Za-z\u00aa\u00ba\u00c0-\u02b8\u0370-\u03ff\u1d00-\u1dbf\u1e00-\u1fff\u2c60-\u2c7f\ua720-\ua7ff"
    "\uab30-\uab6f"
)
_MARKED = re.compile(
    f"([{_LATIN_OR_GREEK}])[\u0300-\u036f\u1ab0-\u1ace\u1dc0-\u1dff\u20d0-\u20f0]+"
)

# A character class: scripts that put no space between words.
UNBROKEN = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0edf\u1000-\u1049\u1050-\u109f\u1780-\u17d3"
    "\u2e80-\u2fdf\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)


def fold(text: str) -> str:
    """Return `text` in a form for comparison.

    Texts that differ only in case, accents, full or half width, ligatures or invisible characters
    have the same form. The steps are: removal of invisible characters; NFKD normalisation; removal
    of marks from Latin and Greek letters only (й stays й); casefold; NFC normalisation, which puts
    Hangul together again. Dotless i becomes i. "™" and "℠" become a space, because NFKD would add
    "tm" or "sm" to the name before the sign.
    """
    if text.isascii():
        return text.lower()
    seen = _UNSEEN.sub("", text).replace("™", " ").replace("℠", " ")
    bare = _MARKED.sub(r"\1", normalize("NFKD", seen))
    return normalize("NFC", bare.casefold().replace("\u0131", "i"))


def origins(text: str) -> list[tuple[int, int]]:
    """Return, for each code point of `fold(text)`, the start and end of its origin in `text`."""
    bounds = [0, *(i for i, c in enumerate(text) if i and (c < "\x80" or not _joins(c))), len(text)]
    found: list[tuple[int, int]] = []
    for start, end in pairwise(bounds):
        piece = text[start:end]
        found += [(start, end)] * (len(piece) if piece.isascii() else _width(piece))
    return found


@lru_cache(maxsize=4096)
def _width(piece: str) -> int:
    return len(fold(piece))


@lru_cache(maxsize=4096)
def _joins(c: str) -> bool:
    """Return whether `c` may combine with the character before it, or disappears when folded.

    Marks and parts of Hangul syllables may combine with the character before them.
    """
    first = normalize("NFKD", c)[0]
    return category(first)[0] == "M" or "\u1160" <= first <= "\u11ff" or not fold(c)


@lru_cache(maxsize=4096)
def beginning(words: str, *, whole: bool = False) -> re.Pattern[str]:
    """Return a pattern that finds `words` in a folded text.

    The pattern matches at the start of a word. In writing systems without spaces between words, it
    matches anywhere. White space of any kind and length is treated as equal.
    whole: the match must also end at the end of a word.
    """
    wanted = fold(words).split()
    body = r"\s+".join(map(re.escape, wanted))
    first, last = (wanted[0], wanted[-1]) if wanted else ("", "")
    start = "" if re.match(rf"\W|[{UNBROKEN}]", first) else rf"(?:(?<!\w)|(?<=[{UNBROKEN}]))"
    free = not whole or re.search(rf"(?:\W|[{UNBROKEN}])$", last)
    end = "" if free else rf"(?:(?!\w)|(?=[{UNBROKEN}]))"
    return re.compile(start + body + end)


def places(text: str, words: str, *, whole: bool = False) -> list[tuple[int, int]]:
    """Return (start, end) of each place where `words` occur in `text`, from left to right.

    The offsets count code points. The end is exclusive.
    """
    found = [match.span() for match in beginning(words, whole=whole).finditer(fold(text))]
    found = [(start, end) for start, end in found if start < end]
    if text.isascii() or not found:
        return found
    origin = origins(text)
    return [(origin[start][0], origin[end - 1][1]) for start, end in found]
