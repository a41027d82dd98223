"""The search for personal data in a text.

Personal data are the names, addresses, phone numbers and booking numbers of people in a case.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses.rules.personal_data import KINDS, Known, addresses_in, codes_in, find

RON = Known(
    names=frozenset({"Ron Calder"}),
    emails=frozenset({"ron@calderfilms.example"}),
    phones=frozenset({"+17325550117"}),
    addresses=frozenset({"12 Orchard Street"}),
    codes=frozenset({"X7K2P9"}),
)
WORDS = st.text(st.sampled_from("RonCalder X7K2P9+15.-\n@東é"), max_size=40)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("We are sorry, ron  CALDER.", [("name", "ron  CALDER")]),
        ("Mr Calder had two seats", [("name", "Calder")]),
        ("Calderwood is a town, and Ron is a name", []),
        ("Write to Ron@CalderFilms.example", [("email address", "Ron@CalderFilms.example")]),
        ("He can be called at (732) 555-0117.", [("phone number", "(732) 555-0117")]),
        ("Call our hotline at +1 800 555 0000", []),
        ("He lives at 12 Orchard\nStreet.", [("postal address", "12 Orchard\nStreet")]),
        ("Booked as X7K2P9, seat 7A", [("booking number", "X7K2P9")]),
        ("His booking number is QWERTY.", [("booking number", "QWERTY")]),
        ("Booking reference: 123-456-789", [("booking number", "123-456-789")]),
        ("Flight SK902 and gate B27 and COVID19 rules", []),
        ("Another code, Z9Z9Z9, is nobody's", []),
        ("", []),
    ],
)
def test_it_finds_what_is_theirs(text: str, told: list[tuple[str, str]]) -> None:
    assert [(each.kind, text[each.start : each.end]) for each in find(text, RON)] == told


def test_who_is_public_there_already_may_be_named() -> None:
    assert find("Thank you, Ron Calder", Known()) == ()


def test_codes_are_those_that_somebody_told() -> None:
    said = ["my booking is X7K2P9, on SK902", "order no. 4711-0815 please", "NASA123 MAY HELP"]
    assert codes_in(said) == {"X7K2P9", "4711-0815", "NASA123"}


def test_addresses_are_those_that_somebody_told() -> None:
    said = ["I live at 12 Orchard Street, Austin", "Hauptstraße 5a, Köln", "12 seats on the way in"]
    assert addresses_in(said) == {"12 Orchard Street", "Hauptstraße 5a"}


@given(WORDS)
def test_places_are_inside_in_order_and_apart(text: str) -> None:
    found = find(text, RON)
    assert all(0 <= each.start < each.end <= len(text) and each.kind in KINDS for each in found)
    assert all(one.start <= other.start for one, other in pairwise(found))
    assert all(one.end < other.end for one, other in pairwise(found))


@given(WORDS, st.sampled_from(["Ron Calder", "X7K2P9", "ron@calderfilms.example"]), WORDS)
def test_nothing_around_it_hides_it(before: str, fact: str, after: str) -> None:
    text = f"{before} {fact} {after}"
    start, end = len(before) + 1, len(before) + 1 + len(fact)
    assert any(each.start <= start and end <= each.end for each in find(text, RON))


@given(WORDS)
def test_of_nobody_known_only_what_calls_itself_a_booking_is_told(text: str) -> None:
    assert all(each.kind == "booking number" for each in find(text, Known()))
