"""Links in texts."""

from __future__ import annotations

import re

_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_PART = re.compile(r"[/?#]")


def without_last_link(text: str, key: str) -> str:
    """Return the text without the link at its end, if `key` is a part of the path of this link.

    For example, X adds the address of a quoted post to the text. key: the id of the post.
    """
    words = text.split()
    if words and _LINK.fullmatch(words[-1]) and key in _PART.split(words[-1]):
        return text.rstrip().removesuffix(words[-1]).rstrip()
    return text
