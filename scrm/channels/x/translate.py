"""Translate the words of a topic into a search query of X.

The query is never narrower than the topic: scrm finds the exact matches among the posts that X
returns. X compares whole words without case and accents, has no wildcards, and treats punctuation
inside quotation marks as a gap.
"""

from __future__ import annotations

import re

from scrm.channels.base import Terms
from scrm.channels.search_query import Translation, Untranslatable

MAX_LENGTH = 512
NO_RETWEETS = "-is:retweet"
_SPECIAL = re.compile(r"#[A-Za-z0-9_\u00c0-\u024f]{1,100}|@[A-Za-z0-9_]{1,15}|\$[A-Za-z]{1,6}")
_PLAIN = re.compile(r"[A-Za-z0-9\u00c0-\u024f]{1,200}")
_RESERVED = {"or", "and", "not"}
_UNQUOTABLE = re.compile(r"[\"\\\u201c\u201d\s]+")
_SIGN = re.compile(r"[^\w\s]")


def translate(terms: Terms, *, max_length: int = MAX_LENGTH) -> Translation:
    """Return a query that finds every post that matches the topic. Raises Untranslatable."""
    every = [term for term in (*terms.all_of, *terms.any_of) if term.strip()]
    if not every:
        raise Untranslatable("X needs at least one word to search for. Add a word to the topic.")
    reasons = [_signs_reason(term) for term in every if _loses_signs(term)]
    needed, left = _needed(terms, max_length - len(NO_RETWEETS) - 1)
    query = " ".join(needed)
    for term in terms.none_of:
        excluded = f"-{term.strip()}"
        if not _is_plain(term.strip()):
            left.append(f"“{term}” is excluded here: X would also exclude posts with other signs "
                        "or gaps.")  # fmt: skip
        elif len(query) + len(excluded) + len(NO_RETWEETS) + 2 > max_length:
            left.append(_too_long(term))
        else:
            query = f"{query} {excluded}"
    return Translation((f"{query} {NO_RETWEETS}",), (*reasons, *left))


def operator(term: str) -> str:
    """Return the operator of X that finds a term, or more than it."""
    term = " ".join(_UNQUOTABLE.sub(" ", term).split())
    is_special = _SPECIAL.fullmatch(term) and not term[1:].isdecimal()
    return term if is_special or _is_plain(term) else f'"{term}"'


def _needed(terms: Terms, room: int) -> tuple[list[str], list[str]]:
    """Return the parts of the query that a post must have, and the reasons for what is left out.

    If the parts are too long, whole conditions are left out, which makes the query wider. An
    alternative is never left out, because this would make the query narrower.
    """
    group = _group(terms.any_of)
    parts: list[str] = []
    left: list[str] = []
    if group and len(group) <= room:
        parts, room = [group], room - len(group) - 1
    for term in dict.fromkeys(term for term in terms.all_of if term.strip()):
        found = operator(term)
        if len(found) <= room:
            parts, room = [*parts, found], room - len(found) - 1
        else:
            left.append(_too_long(term))
    if group and group not in parts:
        left.append("The alternatives are compared here: they are too long for one query of X.")
    if not parts:
        raise Untranslatable(
            "The words of this topic are too long for one search on X. Split it into several "
            "topics."
        )
    return parts, left


def _group(alternatives: tuple[str, ...]) -> str:
    found = dict.fromkeys(operator(term) for term in alternatives if term.strip())
    return " OR ".join(found) if len(found) < 2 else f"({' OR '.join(found)})"


def _is_plain(term: str) -> bool:
    """Whether a term is one word of letters and digits, which needs no quotation marks."""
    return bool(_PLAIN.fullmatch(term)) and term.casefold() not in _RESERVED


def _loses_signs(term: str) -> bool:
    return operator(term).startswith('"') and bool(_SIGN.search(term))


def _signs_reason(term: str) -> str:
    return f"X ignores the signs in “{term}”, so posts without them are read and left out here."


def _too_long(term: str) -> str:
    return f"“{term}” is compared here: the query of X would be too long."
