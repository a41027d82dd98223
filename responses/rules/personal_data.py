"""Find personal data of a case's people in a text. This module does not use the database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scrm.text.fold import fold, places

KINDS = ("name", "email address", "phone number", "postal address", "booking number")
_SHORTEST = 4
"""Minimum length of a family name that is searched for alone; “Li” and “May” are words."""
_ALIKE = 7
"""Number of last digits in which two notations of the same phone number agree."""
_PHONE = re.compile(r"[+(]?\d[\d\s().\-/\u2010-\u2015]{5,}\d")
_CODE = re.compile(r"(?<![\w-])(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{5,8}(?![\w-])")
_FLIGHT = re.compile(r"[A-Z]{2}\d{1,4}")
# Spaces are matched possessively (`++`) and the look-ahead is bounded: with backtracking, a
# mail with "booking" and 20,000 spaces took a minute.
_TOLD = re.compile(
    r"(?i:\b(?:booking|reservation|confirmation|ticket|pnr|order|customer)\b"
    r"(?:\s++(?:number|no|nr|code|reference|ref))?\.?(?:\s++is)?\s*+[:#]?\s*+)"
    r"(?P<code>(?=[A-Z0-9-]{0,15}\d)[A-Z0-9-]{5,16}|[A-Z]{6})(?![\w-])"
)
_WAY = "street|st|road|rd|avenue|ave|lane|drive|boulevard|blvd|court|crescent|square|terrace"
_ADDRESS = re.compile(
    rf"\b\d{{1,5}}[a-z]?,?\s+(?:[^\W\d_]+\s+){{1,3}}(?:{_WAY})\b"
    r"|\b[^\W\d_-]+(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee)\s+\d{1,4}[a-z]?\b"
    r"|\b(?:rue|via|calle|avenue)\s+(?:[^\W\d_]+\s+){1,3}\d{1,4}\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Known:
    """The personal data that we have about the people whom a text may be about.

    `names` does not contain names that these people use in public. `phones` can have any notation.
    `addresses` and `codes` are the postal addresses and booking numbers in the private messages of
    these people, as `addresses_in` and `codes_in` find them.
    """

    names: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A place with personal data in a text.

    `start` and `end` are offsets in code points; the end is exclusive. `kind` is one of KINDS.
    """

    start: int
    end: int
    kind: str


def find(text: str, known: Known) -> tuple[Finding, ...]:
    """Return all places with personal data in a text, from left to right.

    If a place lies inside a longer place, only the longer place is returned.
    """
    found = sorted(set(_findings(text, known)), key=lambda finding: (finding.start, -finding.end))
    kept: list[Finding] = []
    for finding in found:
        if not kept or finding.end > kept[-1].end:
            kept.append(finding)
    return tuple(kept)


def codes_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the booking numbers in texts.

    A booking number mixes capital letters with digits, or follows a word such as “booking”.
    """
    return frozenset(text[start:end] for text in texts for start, end in _codes(text))


def addresses_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the postal addresses in texts.

    A postal address is a street with a house number, in the notations of several languages.
    """
    return frozenset(match[0] for text in texts for match in _ADDRESS.finditer(text))


def _findings(text: str, known: Known) -> Iterator[Finding]:
    line = " ".join(fold(text).split())
    names = {form for name in known.names for form in _name_forms(name)}
    exact = ("name", names), ("email address", known.emails), ("postal address", known.addresses)
    for kind, values in exact:
        for value in values:
            # Test quickly first, because most texts contain none of these values.
            if (folded := " ".join(fold(value).split())) and folded in line:
                yield from (Finding(*span, kind) for span in places(text, value, whole=True))
    known_digits = {_digits(phone)[-_ALIKE:] for phone in known.phones}
    for match in _PHONE.finditer(text):
        digits = _digits(match[0])
        if len(digits) >= _ALIKE and digits[-_ALIKE:] in known_digits:
            yield Finding(*match.span(), "phone number")
    named_codes = {match.span("code") for match in _TOLD.finditer(text)}
    for start, end in _codes(text):
        if (start, end) in named_codes or text[start:end] in known.codes:
            yield Finding(start, end, "booking number")


def _name_forms(name: str) -> Iterator[str]:
    """Yield the forms in which a text may contain a name.

    These are the whole name, and the family name alone if it has at least _SHORTEST characters.
    """
    words = name.split()
    if len(name.strip()) > 1:
        yield name
    if len(words) > 1 and len(words[-1]) >= _SHORTEST:
        yield words[-1]


def _codes(text: str) -> set[tuple[int, int]]:
    mixed = {match.span() for match in _CODE.finditer(text) if not _FLIGHT.fullmatch(match[0])}
    return mixed | {match.span("code") for match in _TOLD.finditer(text)}


def _digits(text: str) -> str:
    return "".join(str(int(c)) for c in text if c.isdecimal())
