"""The reference of a case on our letters."""

from __future__ import annotations

import pytest

from routing.reference import cases_cited, reference


@pytest.mark.parametrize("case", [1, 12, 97, 123, 10**12])
def test_a_letter_that_cites_the_reference_names_the_case(case: int) -> None:
    ours = reference(case)
    for text in (ours, f"Your letter {ours.lower()} of May", f"({ours.replace('-', ' ')})"):
        assert cases_cited(text) == {case}


def test_a_misspelt_reference_names_no_case() -> None:
    """Fails if the check digits are not compared: another customer's case would get the letter."""
    assert reference(123) == "SC-123-20"
    for text in ("SC-124-20", "SC-132-20", "SC-123-21", "SC-123", "XSC-123-20", "SC-1-23"):
        assert cases_cited(text) == set()


def test_a_hostile_text_is_read_quickly() -> None:
    assert cases_cited("SC-1" * 100_000) == set()
    assert cases_cited("SC-" + "1" * 200_000) == set()
