"""Unicode normalisation in linear time."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Form = Literal["NFC", "NFKC", "NFD", "NFKD"]
_MARKS = "".join(sign for sign in map(chr, range(0x300, 0x10000)) if unicodedata.combining(sign))
_ALL_MARKS = _MARKS + "".join(
    sign for sign in map(chr, range(0x10000, 0x1F000)) if unicodedata.combining(sign)
)
# Thirty is the longest run of marks in the Stream-Safe Text Format of Unicode Annex 15. A pattern
# that begins with one character passes other text quickly, but not with code points above 0xFFFF.
_MORE_THAN_30 = re.compile(f"([{_MARKS}][{_MARKS}]{{29}})[{_MARKS}]++")
_MORE_THAN_30_OF_ALL = re.compile(f"([{_ALL_MARKS}][{_ALL_MARKS}]{{29}})[{_ALL_MARKS}]++")


def normalize(form: Form, text: str) -> str:
    """Return `text` in a normal form. Of more than 30 marks on one letter, only 30 are kept.

    Normalising sorts the marks of a letter, in a time that grows with the square of their number:
    100,000 marks take some ten seconds.
    """
    if len(text) > 30 and not text.isascii():
        text = _MORE_THAN_30.sub(r"\1", text)
        if max(text) > "\uffff":
            text = _MORE_THAN_30_OF_ALL.sub(r"\1", text)
    return unicodedata.normalize(form, text)
