"""The length of a text on X, by the published configuration of its text parser (version 3)."""

from __future__ import annotations

from unicodedata import normalize

import regex

MAX_LENGTH = 280
_LINK = regex.compile(r"https?://\S+")
_PICTURE = r"(?:\p{RI}\p{RI}|\p{Emoji}(?:\p{EMod}|\uFE0F\u20E3?|[\U000E0020-\U000E007F]+)?)"
_EMOJI = regex.compile(rf"{_PICTURE}(?:\u200D{_PICTURE})*")
_SINGLE = [(0, 4351), (8192, 8205), (8208, 8223), (8242, 8247)]


def weighted_length(text: str) -> int:
    """Return the length. A link counts 23 and an emoji 2; other signs count 1 or 2."""
    text = _LINK.sub("x" * 23, normalize("NFC", text))
    return sum(map(_weight, _EMOJI.sub(_as_plain, text)))


def _as_plain(found: regex.Match[str]) -> str:
    """Return two letters for an emoji; a digit or "#" alone is no emoji."""
    return found[0] if len(found[0]) == 1 and ord(found[0]) < 0x2000 else "xx"


def _weight(sign: str) -> int:
    return 1 if any(low <= ord(sign) <= high for low, high in _SINGLE) else 2
