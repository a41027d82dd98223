"""HTML with many character references is sanitised in linear time, with the same result."""

from __future__ import annotations

import time
from collections.abc import Iterator

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrm.text import sanitizer
from scrm.text.clean import clean, plain

PIECES = ("&", "&amp;", "&#20013;", "&lt", "a", " ", "<p>", "</p>", "<a href='x?a&b&amp;c&d'>",
          "<b title=\"&&&&\">", "</a>", "<!-- & -->", "<", ">", "<td>", "<table>")  # fmt: skip
"""No attribute contains a >: there, a comment may come into the attribute."""


@pytest.fixture(scope="module", autouse=True)
def short_texts() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(sanitizer, "_MAX_REFERENCES", 2)
    yield
    patch.undo()


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_the_result_is_that_of_nh3(html: str) -> None:
    assert sanitizer.sanitized(html) == nh3.clean(html)


# Fails with nh3 alone, which needs four seconds for 400,000 of them.
@pytest.mark.parametrize("text", ["&", "&amp;", "&#20013;", "a &b "])
def test_many_references_cost_little(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitizer, "_MAX_REFERENCES", 1000)
    began = time.process_time()
    for function in (clean, plain):
        function(text * (400_000 // len(text)))
    assert time.process_time() - began < 2
