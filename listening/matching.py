"""Find topics in a text: whole words and phrases, ignoring case and accents.

A term is split into words and the gaps between the words: "AT&T" becomes `at` `&` `t`, and "@acme"
becomes `@` `acme`. A term matches where its words occur as whole words, in the same order and with
the same gaps. Any sequence of white space counts as one space.

In writing systems without spaces between words, for example Chinese, each character counts as a
word. So a Chinese term also matches in the middle of a longer text. If a term begins or ends with a
sign, the text must contain that sign too: "#acme" matches only #acme, while "acme" matches #acme,
@acme and acme.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal
from unicodedata import category

from scrm.text.fold import UNBROKEN, fold, origins

MAX_TERMS, MAX_TERM = 500, 200

Where = Literal["title", "text"]

# \w does not contain combining marks, although words of many scripts contain them. They are listed
# for the basic plane only: for these, `re` uses a fast table instead of ranges.
_BASIC = "".join(map(chr, range(0x80, 0x10000)))
_MARKS = "".join(c for c in _BASIC if category(c)[0] == "M")
_LETTERS = re.sub(rf"[\W{UNBROKEN}]", "", _BASIC) + re.sub(f"[{UNBROKEN}]", "", _MARKS)
_WORD = re.compile(
    rf"((?:[a-z0-9_{_LETTERS}]+|(?![{UNBROKEN}])[^\W\x00-\uffff]+)+|[{UNBROKEN}][{_MARKS}]*)"
)
_ASCII_WORD = re.compile(r"([a-z0-9_]+)")
_LONE = re.compile(f"[{UNBROKEN}]")
_TYPOGRAPHY = str.maketrans("‘’‐‑–—", "''----")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class TopicQuery:
    """The terms of one topic.

    The topic matches if title and text together contain at least one term of `any_of`, all terms of
    `all_of`, and no term of `none_of`. If `any_of` is empty, no term of `any_of` is required. If
    `any_of` and `all_of` are both empty, the topic never matches.
    """

    key: int
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """The position of a hit in the original title or text, in code points.

    end: the position after the last code point of the hit.
    """

    field: Where
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hit:
    """The result for one topic that matched.

    key: the key of the topic's TopicQuery.
    spans: all places where terms of `any_of` and `all_of` occur, sorted and without overlaps.
    """

    key: int
    spans: tuple[Span, ...]


def compile(queries: Iterable[TopicQuery]) -> Matcher:
    return Matcher(tuple(queries))


def validate_terms(terms: list[str]) -> list[str]:
    """Return an error message for each problem of these terms.

    The list is empty if all terms are valid.
    """
    errors = [error for term in terms if (error := _term_error(term))]
    if len(terms) > MAX_TERMS:
        errors.append(f"There are {len(terms):,} terms; a list can have at most {MAX_TERMS}.")
    return errors


def _term_error(term: str) -> str:
    if not term.strip():
        return "A term is blank. Enter a word or phrase, or remove the term."
    if len(term) > MAX_TERM:
        return f"“{term[:40]}…” is {len(term):,} characters long; a term can have {MAX_TERM}."
    if not any(c.isalnum() for c in fold(term)):
        return f"“{term}” has no letter or digit, so it cannot be found as a word."
    return ""


@dataclass(frozen=True, slots=True)
class _Term:
    """A term, split into words and gaps.

    There is a gap before each word and one after the last word, so there is one more gap than
    words. A gap can be empty.
    """

    words: list[str]
    gaps: list[str]

    def fits(self, parts: list[str], at: int) -> bool:
        """Return whether this term occurs in `parts` with its first word at index `at`.

        parts: the result of `_split`, in which gaps and words alternate.
        """
        last = at + 2 * len(self.words) - 2
        if parts[at : last + 1 : 2] != self.words:
            return False
        if [_gap(gap) for gap in parts[at + 1 : last : 2]] != self.gaps[1:-1]:
            return False
        before, after = parts[at - 1].translate(_TYPOGRAPHY), parts[last + 1].translate(_TYPOGRAPHY)
        return (
            before.endswith(self.gaps[0])
            and after.startswith(self.gaps[-1])
            and _is_free(self.gaps[0], before, parts[at - 2] if at > 1 else "")
            and _is_free(self.gaps[-1], after, parts[last + 2] if last + 2 < len(parts) else "")
        )


def _is_free(sign: str, gap: str, beyond: str) -> bool:
    """Return False if another word touches the sign at the beginning or end of a term.

    For example, "@acme" does not match in joe@acme, because "joe" touches the sign. A character of
    a writing system without spaces may touch the sign.
    gap: the gap of the text in which the sign was found.
    beyond: the word on the other side of the gap; "" if there is none.
    """
    return not sign or len(gap) > len(sign) or not beyond or bool(_LONE.match(beyond))


def _gap(gap: str) -> str:
    return re.sub(r"\s+", " ", gap.translate(_TYPOGRAPHY))


def _split(folded: str) -> list[str]:
    """Split a text into a list in which gaps and words alternate; words have odd indexes."""
    return (_ASCII_WORD if folded.isascii() else _WORD).split(folded)


def _term(text: str) -> _Term:
    parts = _split(fold(text).strip())
    return _Term(parts[1::2], [_gap(gap) for gap in parts[::2]])


@dataclass(frozen=True)
class _Reading:
    """A title or a text. It is split into words and gaps only once, and all terms use the result.

    The positions in the original text are computed only if there is a hit.
    """

    field: Where
    original: str

    @cached_property
    def parts(self) -> list[str]:
        return _split(fold(self.original))

    @cached_property
    def starts(self) -> list[int]:
        return [0, *accumulate(map(len, self.parts))]

    @cached_property
    def origins(self) -> list[tuple[int, int]]:
        return origins(self.original)

    def span(self, term: _Term, at: int) -> Span:
        start = self.starts[at] - len(term.gaps[0])
        end = self.starts[at + 2 * len(term.words) - 1] + len(term.gaps[-1])
        if self.original.isascii():
            return Span(self.field, start, end)
        return Span(self.field, self.origins[start][0], self.origins[end - 1][1])


@dataclass(frozen=True, slots=True)
class _Plan:
    """A query in which each term is replaced by its index in the matcher's list of terms."""

    key: int
    any_of: frozenset[int]
    all_of: frozenset[int]
    none_of: frozenset[int]

    def holds(self, found: Set[int]) -> bool:
        return (
            self.none_of.isdisjoint(found)
            and self.all_of <= found
            and not (self.any_of and self.any_of.isdisjoint(found))
        )


class Matcher:
    """Matches all queries in one pass over a text.

    The matcher looks up each word of the text in a dict whose keys are the first words of all
    terms.
    """

    def __init__(self, queries: tuple[TopicQuery, ...]) -> None:
        numbers: dict[str, int] = {}
        plans = [_plan(query, numbers) for query in queries]
        self._terms = [_term(text) for text in numbers]
        self._plans = plans
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        for number, term in enumerate(self._terms):
            # Store the term under its first word only; fits() then compares the whole term.
            if term.words:
                self._by_word[term.words[0]].append(number)
        self._wanted: defaultdict[int, list[int]] = defaultdict(list)
        for place, plan in enumerate(plans):
            for number in plan.any_of | plan.all_of:
                self._wanted[number].append(place)

    def match(self, title: str, text: str) -> list[Hit]:
        """Return one hit for each query that matches, in the order of the queries."""
        found: defaultdict[int, list[tuple[_Reading, int]]] = defaultdict(list)
        for reading in (_Reading("title", title), _Reading("text", text)):
            for number, at in self._hits(reading.parts):
                found[number].append((reading, at))
        places = sorted({place for number in found for place in self._wanted.get(number, ())})
        plans = (self._plans[place] for place in places)
        return [
            Hit(plan.key, self._spans(plan, found)) for plan in plans if plan.holds(found.keys())
        ]

    def _hits(self, parts: list[str]) -> Iterator[tuple[int, int]]:
        for at in range(1, len(parts), 2):
            for number in self._by_word.get(parts[at], ()):
                if self._terms[number].fits(parts, at):
                    yield number, at

    def _spans(
        self, plan: _Plan, found: Mapping[int, list[tuple[_Reading, int]]]
    ) -> tuple[Span, ...]:
        hit = (plan.any_of | plan.all_of) & found.keys()
        return _merged(
            reading.span(self._terms[number], at) for number in hit for reading, at in found[number]
        )


def _plan(query: TopicQuery, numbers: dict[str, int]) -> _Plan:
    def numbered(terms: tuple[str, ...]) -> frozenset[int]:
        return frozenset(numbers.setdefault(term, len(numbers)) for term in terms)

    return _Plan(query.key, numbered(query.any_of), numbered(query.all_of), numbered(query.none_of))


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Merge spans that overlap, and return all spans sorted.

    The spans of the title come before those of the text.
    """
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.field != "title", span.start, span.end)):
        last = merged[-1] if merged else None
        if last and last.field == span.field and span.start < last.end:
            merged[-1] = Span(last.field, last.start, max(last.end, span.end))
        else:
            merged.append(span)
    return tuple(merged)
