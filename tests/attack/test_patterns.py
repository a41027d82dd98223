"""Guarantee G24 (docs/guarantees.md): no regular expression is slow on hostile strings.

On such a string, every regular expression in the code takes linear time.
"""

from __future__ import annotations

import re

import pytest

from tests.attack.patterns import LIMIT, Found, in_the_code, worst

pytestmark = pytest.mark.slow
LENGTH = 200_000
PATTERNS = {found.where: found for found in in_the_code()}
CUT = {
    "crm/search.py: _SCHEME": 200,
    "scrm/channels/wordpress/hear.py: _ROUTE": 500,
}
"""The code cuts the input of these patterns to this many characters."""
OUR_OWN_FILES = {"scrm/pages/style_guide.py: _TOKEN", "scrm/pages/style_guide.py: _ICON"}
MADE_WHILE_RUNNING = {
    "scrm/channels/sandbox/channel.py: f'(?i)(?<!\\\\w)@(?:{names})(?!\\\\w)'",
    "scrm/text/fold.py: start + body + end",
}
"""Made of typed text, which is escaped. None has a repeat except for the white space in a term."""
KNOWN_BAD = {
    "booking": r"(?i:\b(?:booking|order)\b(?:\s+(?:number|no))?\.?(?:\s+is)?\s*[:#]?\s*)"
    r"(?P<code>(?=[A-Z0-9-]*\d)[A-Z0-9-]{5,16}|[A-Z]{6})(?![\w-])",
    "code": r"(?i:\border\b)(?=[A-Z0-9-]*\d)[A-Z0-9-]{5,16}(?![\w-])",
    "variable": r"\{\{\s*([a-z_ ]*)\s*\}\}",
    "author": r"\S+@\S+ \((.+)\)$",
    "author in feedparser": r"([a-zA-Z0-9\_\-\.\+]+)@(([a-zA-Z0-9\-]+\.)+)([a-zA-Z]{2,4})",
    "scheme": r"[A-Za-z][A-Za-z0-9+.-]*://",
    "route": r"/wp/v2/([a-z0-9_/-]+)/([0-9]+)",
    "nested": r"(?:a+)+b",
}


@pytest.mark.parametrize("where", sorted(PATTERNS.keys() - OUR_OWN_FILES - MADE_WHILE_RUNNING))
def test_a_pattern_is_linear(where: str) -> None:
    grown, first, pump = worst(PATTERNS[where], CUT.get(where, LENGTH))
    assert grown <= LIMIT, f"{first!r} and then {pump!r} without end"


@pytest.mark.parametrize("name", KNOWN_BAD)
def test_a_bad_one_is_found_out(name: str) -> None:
    bad = Found(name, re.compile(KNOWN_BAD[name]), frozenset({"finditer"}))
    assert worst(bad, LENGTH)[0] > LIMIT


def test_none_is_overlooked() -> None:
    made = {where for where, found in PATTERNS.items() if found.pattern is None}
    assert made == MADE_WHILE_RUNNING
    assert len(PATTERNS) > 90
