"""The search form of a text: differences that people ignore when typing are removed.

PostgreSQL computes the same form of each stored text, with the function `scrm_search_form`; see
decision 0036. A test compares the two, in lower case, for every character.
"""

# ruff: noqa: RUF001 - letters that look like Latin ones
from __future__ import annotations

import re
from itertools import pairwise

from scrm.text.fold import UNBROKEN, fold, origins

# Points and other marks that writers leave out: Cyrillic stress, Hebrew points, Arabic vowels.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f"
    "\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0711\u0730-\u074a"
)
# Spaces, punctuation and signs beyond ASCII. Emoji are not among them: people search for them.
_PUNCTUATION = (
    "\u0080-\u00a9\u00ab-\u00b9\u00bb-\u00bf\u00d7\u00f7\u02b9-\u02bf\u02c2-\u02df\u037e\u0387"
    "\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0606-\u060d\u061b-\u061f"
    "\u066a-\u066d\u06d4\u0700-\u070d\u0964\u0965\u0970\u0df4\u0e4f\u0e5a\u0e5b\u0f04-\u0f14"
    "\u104a-\u104f\u10fb\u1360-\u1368\u17d4-\u17da\u1800-\u180a\u2000-\u206f\u207a-\u207e"
    "\u208a-\u208e\u20a0-\u20cf\u2190-\u22ff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d"
    "\u309b\u309c\u30a0\u30fb\ufd3e\ufd3f"
)
# Letters that many keyboards do not have, each with the letter that people type instead.
_LETTERS = dict(zip("łøđðħŧёѐѝأإآٱىیةکہۀ", "loddhtееиااااييهكهه", strict=True))
_ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0de6\u0e50"
    "\u0ed0\u0f20\u1040\u1090\u17e0\u1810\u1946\u19d0\u1a80\u1a90\u1b50\u1bb0\u1c40\u1c50"
    "\ua620\ua8d0\ua900\ua9d0\ua9f0\uaa50\uabf0"
)
"""The digit 0 in the writing systems that have digits of their own; 1 to 9 follow each."""
_DIGITS = {chr(ord(zero) + value): str(value) for zero in _ZEROS for value in range(10)}
_PAIRS = {"æ": "ae", "œ": "oe", "þ": "th"}
_REPLACED = str.maketrans({**_LETTERS, **_DIGITS, **_PAIRS})
_MARK, _SIGN = re.compile(f"[{_MARKS}]"), re.compile(f"[{_PUNCTUATION}]")
RUN = re.compile(f"[{UNBROKEN}]+")
"""A run of characters in a script that puts no space between words."""


def search_form(text: str) -> str:
    """Return `text` in the form in which texts and typed words are compared by a search.

    Besides the differences that `fold` removes, this removes stress marks, vowel points and letters
    that many keyboards do not have: Łukasz becomes lukasz. Punctuation beyond ASCII becomes a
    space.
    """
    return _replaced(fold(text))


def search_origins(text: str) -> list[tuple[int, int]]:
    """Return, for each code point of `search_form(text)`, the start and end of its origin."""
    return [
        place
        for letter, place in zip(fold(text), origins(text), strict=True)
        for _ in _replaced(letter)
    ]


def _replaced(folded: str) -> str:
    if folded.isascii():
        return folded
    return _SIGN.sub(" ", _MARK.sub("", folded)).translate(_REPLACED)


def run_pairs(run: str) -> list[str]:
    """Return the overlapping pairs of characters of a run; the run itself if it is a single one."""
    return [a + b for a, b in pairwise(run)] or [run]
