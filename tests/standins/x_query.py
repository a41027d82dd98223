"""The search queries of X as its documentation describes them, for the stand-in and for tests.

Words are compared as whole words, without case and accents. Signs are gaps inside quotation marks.
AND binds more strongly than OR.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from scrm.text.fold import UNBROKEN, fold

_PIECE = re.compile(r'\(|\)|-?(?:[a-z_]+:)?"[^"]*"|[^\s()"]+')
_TOKEN = re.compile(rf"[{UNBROKEN}]|[^\W{UNBROKEN}]+")


@dataclass(frozen=True)
class Text:
    """What a query is compared with."""

    text: str
    author: str = ""
    links: tuple[str, ...] = ()
    conversation: str = ""
    is_quote: bool = False
    is_retweet: bool = False


Test = Callable[[Text], bool]


class BadQuery(ValueError):
    """X refuses this query."""


def compile_query(query: str) -> Test:
    """Return a function that tells whether a text matches. Raises BadQuery."""
    pieces = _PIECE.findall(query)
    test, rest = _either(pieces)
    if rest or not pieces:
        raise BadQuery(f"cannot read {query!r} at {rest}")
    return test


def _either(pieces: list[str]) -> tuple[Test, list[str]]:
    test, pieces = _all(pieces)
    tests = [test]
    while pieces and pieces[0] == "OR":
        test, pieces = _all(pieces[1:])
        tests.append(test)
    return (lambda text: any(test(text) for test in tests)), pieces


def _all(pieces: list[str]) -> tuple[Test, list[str]]:
    tests: list[Test] = []
    while pieces and pieces[0] not in ("OR", ")"):
        if pieces[0] == "(":
            test, pieces = _either(pieces[1:])
            if not pieces:
                raise BadQuery("a group is not closed")
        else:
            test = _operator(pieces[0])
        tests.append(test)
        pieces = pieces[1:]
    if not tests:
        raise BadQuery("an operand is missing")
    return (lambda text: all(test(text) for test in tests)), pieces


def _operator(piece: str) -> Test:
    if piece.startswith("-"):
        inner = _operator(piece[1:])
        return lambda text: not inner(text)
    name, colon, value = piece.partition(":")
    if colon and not piece.startswith('"'):
        return _named(name, value.strip('"'))
    if piece[0] in "#@$":
        sign, wanted = re.escape(piece[0]), fold(piece[1:])
        pattern = re.compile(rf"(?<![\w&]){sign}(\w+)")
        return lambda text: wanted in pattern.findall(fold(text.text))
    return lambda text: _has_phrase(text.text, piece)


def _named(name: str, value: str) -> Test:
    tests: dict[str, Test] = {
        "is": lambda text: {"quote": text.is_quote, "retweet": text.is_retweet}[value],
        "from": lambda text: text.author.lower() == value.lower(),
        "url": lambda text: any(_has_phrase(link, value) for link in text.links),
        "conversation_id": lambda text: text.conversation == value,
    }
    if name not in tests:
        raise BadQuery(f"unknown operator {name}")
    return tests[name]


def _has_phrase(text: str, phrase: str) -> bool:
    wanted, tokens = _TOKEN.findall(fold(phrase)), _TOKEN.findall(fold(text))
    size = len(wanted)
    return any(tokens[at : at + size] == wanted for at in range(len(tokens) - size + 1))
