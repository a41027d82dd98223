"""Phone numbers: E.164 from what people type, and a reason for everything else."""

from __future__ import annotations

import pytest

from scrm.text.phone import (
    NotAPhoneNumber,
    e164,
    e164_beginnings,
    international,
    looks_like_number,
)


@pytest.mark.parametrize(
    ("typed", "country", "is_"),
    [
        ("+44 20 7946 0958", "", "+442079460958"),
        ("+44 20 7946 0958", "US", "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("(020) 7946-0958", "GB", "+442079460958"),
        ("0049 30 1234567", "GB", "+49301234567"),
        ("0039 06 1234567", "GB", "+39061234567"),
        ("tel:+442079460958", "", "+442079460958"),
        ("  ", "GB", ""),
    ],
)
def test_a_typed_number_becomes_e164(typed: str, country: str, is_: str) -> None:
    assert e164(typed, country) == is_


@pytest.mark.parametrize(
    ("typed", "country", "why"),
    [
        ("020 7946 0958", "", "has no country code"),
        ("+999 123 4567", "", "country code that does not exist"),
        ("call me", "GB", "is not a phone number"),
        ("12345", "GB", "too few digits"),
        ("+44 20 7946 0958 1234 5678", "", "too many digits"),
        ("+44 20 7946 0958 ext. 3", "", "without its extension"),
        ("7" * 200_000, "GB", "is not a phone number"),
        ("+44\x00", "GB", "is not a phone number"),
    ],
)
def test_what_is_no_number_says_why(typed: str, country: str, why: str) -> None:
    with pytest.raises(NotAPhoneNumber, match=why) as refused:
        e164(typed, country)
    assert len(str(refused.value)) < 200


def test_a_number_is_shown_as_people_write_it() -> None:
    assert international("+442079460958") == "+44 20 7946 0958"
    assert international("no number") == "no number"


@pytest.mark.parametrize(
    ("typed", "country", "is_"),
    [
        ("030 123", "DE", {"+4930123"}),
        ("030 1234567 ext. 12", "DE", {"+49301234567"}),
        ("Tel. 030/1234567", "DE", {"+49301234567"}),
        ("\uff10\uff13\uff10 1234567", "DE", {"+49301234567"}),
        ("0049 (0)30 12345", "DE", {"+493012345"}),
        ("020 79", "GB", {"+442079", "+4402079"}),
        ("030 1234567", "", set()),
    ],
)
def test_a_number_is_searched_by_the_beginning_of_its_e164(
    typed: str, country: str, is_: set[str]
) -> None:
    assert looks_like_number(typed)
    assert e164_beginnings(typed, country) == is_


@pytest.mark.parametrize(
    "typed",
    ["", "1234", "bag 12345", "12345 bags", "a12345", "+" * 200_000, "7" * 200_000, "12.5 kg"],
)
def test_other_words_look_like_no_number(typed: str) -> None:
    assert not looks_like_number(typed)
