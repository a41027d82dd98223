"""Personal facts of the people of a matter, where a text tells them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scrm.text.fold import fold, places

KINDS = ("name", "e-mail address", "phone number", "postal address", "booking number")
_SHORTEST = 4
"""Letters of a family name that is looked for alone: “Li” and “May” are words as well."""
_ALIKE = 7
"""Last digits by which two ways to write a telephone number are the same."""
_PHONE = re.compile(r"[+(]?\d[\d\s().\-/\u2010-\u2015]{5,}\d")
_CODE = re.compile(r"(?<![\w-])(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{5,8}(?![\w-])")
_FLIGHT = re.compile(r"[A-Z]{2}\d{1,4}")
# Spaces are taken all at once (`++`), and a code is looked into no further than it can reach: a
# letter with "booking" and 20,000 spaces took a minute.
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
    """What is known of those whom a text may be about.

    names: as they are called, but where they are called so in public already. phones: in any
    notation. addresses, codes: as `addresses_in` and `codes_in` find them in what they said in
    private.
    """

    names: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One personal fact in a text: code-point offsets, end exclusive; kind is one of KINDS."""

    start: int
    end: int
    kind: str


def find(text: str, known: Known) -> tuple[Finding, ...]:
    """Every place that tells one of them, from the left; a longer one hides what lies inside."""
    found = sorted(set(_all(text, known)), key=lambda each: (each.start, -each.end))
    kept: list[Finding] = []
    for each in found:
        if not kept or each.end > kept[-1].end:
            kept.append(each)
    return tuple(kept)


def codes_in(texts: Iterable[str]) -> frozenset[str]:
    """Booking numbers: capitals and digits mixed, and whatever somebody calls one."""
    return frozenset(text[start:end] for text in texts for start, end in _codes(text))


def addresses_in(texts: Iterable[str]) -> frozenset[str]:
    """A house in a street, in the ways of a few languages."""
    return frozenset(match[0] for text in texts for match in _ADDRESS.finditer(text))


def _all(text: str, known: Known) -> Iterator[Finding]:
    line = " ".join(fold(text).split())
    named = {each for name in known.names for each in _called(name)}
    asked = ("name", named), ("e-mail address", known.emails), ("postal address", known.addresses)
    for kind, words in asked:
        for each in words:
            if (folded := " ".join(fold(each).split())) and folded in line:
                yield from (Finding(*span, kind) for span in places(text, each, whole=True))
    known_digits = {_digits(each)[-_ALIKE:] for each in known.phones}
    for match in _PHONE.finditer(text):
        digits = _digits(match[0])
        if len(digits) >= _ALIKE and digits[-_ALIKE:] in known_digits:
            yield Finding(*match.span(), "phone number")
    told = {match.span("code") for match in _TOLD.finditer(text)}
    for start, end in _codes(text):
        if (start, end) in told or text[start:end] in known.codes:
            yield Finding(start, end, "booking number")


def _called(name: str) -> Iterator[str]:
    """The whole name; the family name alone where it is long enough to mean nobody else."""
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
