"""Unicode normalisation, with many marks on one letter."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.handles import skeleton
from scrm.text.fold import fold, origins
from scrm.text.normal import normalize

FORMS = ["NFC", "NFKC", "NFD", "NFKD"]
MARKS = "\u0301\u0316"
ASTRAL_MARKS = "\U0001d165\U0001d16d\U0001e8d0"


@given(st.sampled_from(FORMS), st.text())
def test_ordinary_text_is_normalised_as_unicode_says(form: str, text: str) -> None:
    assert normalize(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("marks", [MARKS, ASTRAL_MARKS])
def test_of_many_marks_thirty_are_kept(form: str, marks: str) -> None:
    text = "q" + marks * 100 + " and q" + marks * 5
    kept = "q" + (marks * 100)[:30] + " and q" + marks * 5
    assert normalize(form, text) == unicodedata.normalize(form, kept)


@pytest.mark.parametrize("marks", [MARKS, ASTRAL_MARKS])
@pytest.mark.parametrize("used", [fold, origins, skeleton])
def test_a_letter_with_200_000_marks_costs_little(used: object, marks: str) -> None:
    """Fails with `unicodedata.normalize`, which takes more than ten seconds."""
    text = "й" + marks * (200_000 // len(marks))
    began = time.process_time()
    used(text)  # type: ignore[operator]
    assert time.process_time() - began < 2


@given(st.lists(st.sampled_from(["a", "й", "가", " ", MARKS * 20, ASTRAL_MARKS * 20, "\u200d"])))
def test_each_letter_of_the_folded_text_has_an_origin(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert len(origins(text)) == len(fold(text))
