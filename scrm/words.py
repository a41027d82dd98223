"""Words as a human compares them: folded, in any script."""

from __future__ import annotations

import re
from unicodedata import normalize

# What a reader does not see: soft hyphen, zero width, direction marks, variation selectors.
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
    """`text` without what a human overlooks when comparing: case, accents, width, ligatures.

    NFKD, marks stripped from Latin and Greek letters only (й stays й), casefold, and NFC, which
    puts Hangul together again. Dotless i counts as i. "™" is a gap: NFKD would glue "tm" to a name.
    """
    if text.isascii():
        return text.lower()
    seen = _UNSEEN.sub("", text).replace("™", " ").replace("℠", " ")
    bare = _MARKED.sub(r"\1", normalize("NFKD", seen))
    return normalize("NFC", bare.casefold().replace("\u0131", "i"))
