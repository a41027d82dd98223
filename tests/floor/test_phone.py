"""Phone numbers: E.164 from what people type, and a reason for everything else."""

from __future__ import annotations

import pytest

from scrm.text.phone import NotAPhoneNumber, e164, international


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
