"""To whom a mail was written, and which of its words are new to us."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.base import Credentials, Item
from scrm.channels.email import ids
from scrm.channels.email.item import MAX_FOLDED, item, self_key
from scrm.channels.email.quotes import fold
from scrm.channels.email.read import read
from scrm.channels.email.recipients import LONGEST_LIST, MAX_RECIPIENTS, list_pieces

LETTERS = Path(__file__).parent / "letters"
CARE = "care@skyward.test"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OUR_ID = ids.our_id(str(UUID(int=1)), ids.token("pump"), "skyward.test")


def heard(raw: bytes, own: str = CARE) -> Item:
    found = item(raw, came=NOW, credentials=Credentials("email", self_key(own), own))
    assert isinstance(found, Item), found
    return found


def letter(name: str, own: str = CARE) -> Item:
    return heard((LETTERS / f"{name}.eml").read_bytes(), own)


def facts(raw: bytes | str) -> dict[str, Any]:
    content = raw if isinstance(raw, bytes) else raw.encode()
    return dict(heard(content).details["mail"])


def test_the_people_in_to_and_cc_are_kept() -> None:
    kept = letter("with-cc").details["mail"]
    assert kept["to"] == [[CARE, ""], ["kim@customers.test", "Kim"]]
    assert kept["cc"] == [["max@customers.test", ""]]
    assert kept["recipient_address"] == CARE


@pytest.mark.parametrize(
    ("header", "people"),
    [
        ("a@x.test, b@x.test", ["a@x.test", "b@x.test"]),
        ('"Doe, Jo" <a@x.test>, b@x.test', ["a@x.test", "b@x.test"]),
        ("Doe, Jo <a@x.test>, Fly, Kim <b@x.test>", ["a@x.test", "b@x.test"]),
        ("a@x.test; b@x.test", ["a@x.test", "b@x.test"]),
        ("Team: a@x.test, b@x.test;, c@x.test", ["a@x.test", "b@x.test", "c@x.test"]),
        ("undisclosed-recipients:;", []),
        ("a@x.test (Jo, of Acme), <b@x.test>", ["a@x.test", "b@x.test"]),
        ("a@x.test, A@X.test, b@x.test", ["a@x.test", "b@x.test"]),
        ("<mailto:a@x.test>, b@x.test", ["a@x.test", "b@x.test"]),
        ("=?utf-8?q?J=C3=B6=2C_c=40x=2Etest?= <a@x.test>, b@x.test", ["a@x.test", "b@x.test"]),
        ("a@b@c, b@x.test", ["b@x.test"]),
        ("a@bücher.test", ["a@xn--bcher-kva.test"]),
        ("a@x.test,\r\n b@x.test", ["a@x.test", "b@x.test"]),
    ],
)
def test_a_list_of_addresses_is_divided(header: str, people: list[str]) -> None:
    found = read(f"From: jo@c.test\r\nTo: {header}\r\n\r\nHello".encode())
    assert [person.address for person in found.to] == people


def test_several_headers_are_one_list() -> None:
    found = read(b"From: jo@c.test\r\nTo: a@x.test\r\nCc: b@x.test\r\nTo: c@x.test\r\n\r\nHi")
    assert [person.address for person in found.to] == ["a@x.test", "c@x.test"]
    assert [person.address for person in found.cc] == ["b@x.test"]


@given(st.text(alphabet='ab@x.,;:<>"()\\ ', max_size=60))
def test_pieces_are_parts_of_the_header_in_order(header: str) -> None:
    position = 0
    for piece in list_pieces(header):
        assert "@" in piece
        position = header.index(piece, position) + len(piece)


@pytest.mark.parametrize(
    "header", ["a@x.test, " * 20_000, "<" * 200_000, '"' * 200_001, "a," * 100_000, ":" * 200_000]
)
def test_hostile_lists_are_bounded(header: str) -> None:
    found = read(f"From: jo@c.test\r\nTo: {header}b@x.test\r\n\r\nHello".encode())
    assert len(found.to) <= MAX_RECIPIENTS
    assert sum(map(len, list_pieces(header))) <= LONGEST_LIST


def test_many_recipients_are_cut() -> None:
    many = ", ".join(f"p{number}@x.test" for number in range(MAX_RECIPIENTS + 50))
    kept = facts(f"From: jo@c.test\r\nTo: {many}\r\n\r\nHello")
    assert len(kept["to"]) == MAX_RECIPIENTS


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ("To: care@skyward.test", CARE),
        ("To: Orders <Care+Orders@skyward.test>", "care+orders@skyward.test"),
        ("To: orders@skyward.test", "orders@skyward.test"),
        ("To: ben@skyward.test\r\nCc: care@skyward.test", CARE),
        ("To: ben@skyward.test\r\nCc: care+vip@skyward.test", "care+vip@skyward.test"),
        ("To: list@elsewhere.test\r\nX-Original-To: orders@skyward.test", "orders@skyward.test"),
        ("To: ben@skyward.test\r\nX-Original-To: orders@skyward.test", "orders@skyward.test"),
        ("To: orders@skyward.test\r\nDelivered-To: care@skyward.test", "orders@skyward.test"),
        ("To: max@customers.test\r\nDelivered-To: vip@skyward.test", "vip@skyward.test"),
        ("To: undisclosed-recipients:;", CARE),
        ("Subject: no recipient at all", CARE),
        ("To: care@skyward.test.evil.test", CARE),
        ("To: careless+x@skyward.test", "careless+x@skyward.test"),
    ],
)
def test_the_address_written_to(headers: str, address: str) -> None:
    assert facts(f"From: jo@c.test\r\n{headers}\r\n\r\nHello")["recipient_address"] == address


# Folding


def new_and_folded(found: Item) -> tuple[str, list[str]]:
    places = found.details["mail"].get("folded", [])
    folded = [found.text[start:end].strip() for start, end in places]
    rest, last = [], 0
    for start, end in [*places, (len(found.text), 0)]:
        rest.append(found.text[last:start])
        last = end
    return "".join(rest).strip(), folded


def test_words_below_a_forwarding_mark_are_read() -> None:
    found = letter("topic-only-below")
    assert "baggage report 55" in found.text
    shown, folded = new_and_folded(found)
    assert "baggage report 55" in shown or "baggage report 55" in folded[0]


def test_a_letter_that_looks_like_a_head_is_read_whole() -> None:
    found = letter("form-from-to")
    assert "wheelchair zz77" in found.text
    assert new_and_folded(found)[1] == []


def test_a_forwarded_letter_is_not_folded() -> None:
    found = letter("forwarded-by-colleague")
    assert "ref ZQ9" in found.text
    assert new_and_folded(found)[1] == []


STRANGER = "On Mon, 3 Mar 2025 at 10:00, Max <max@c.test> wrote:\n> My pump leaks.\n"
OURS = "On Mon, 3 Mar 2025 at 10:00, Care <care@skyward.test> wrote:\n> We come at nine.\n"
FROM_JO = "From: jo@c.test\r\nTo: care@skyward.test\r\n"


def test_a_quotation_that_is_new_to_us_is_only_folded() -> None:
    found = heard(f"{FROM_JO}\r\nPlease see below.\n\n{STRANGER}".encode())
    shown, folded = new_and_folded(found)
    assert shown == "Please see below."
    assert folded == [STRANGER.strip()]
    assert "pump" in found.text


@pytest.mark.parametrize(
    "below", [STRANGER, OURS], ids=["an answer to our mail", "a quotation that names us"]
)
def test_our_own_words_are_left_out(below: str) -> None:
    answers = f"In-Reply-To: <{OUR_ID}>\r\n" if below is STRANGER else ""
    found = heard(f"{FROM_JO}{answers}\r\nToday.\n\n{below}".encode())
    assert found.text == "Today."
    assert "folded" not in found.details["mail"]
    assert "> " not in found.text


def test_a_web_form_is_read_whole() -> None:
    typed = f"You have a new message:\n\nFrom: Jo\nTo: {CARE}\nSubject: Pump\n\nIt leaks."
    for sender in (CARE, "no-reply@skyward.test"):
        found = heard(f"From: {sender}\r\nReply-To: jo@c.test\r\n\r\n{typed}".encode())
        assert "It leaks." in found.text


@pytest.mark.parametrize("name", ["gmail-date-first", "date-first-head", "unmarked-below-wrote"])
def test_quotations_of_our_words_in_other_forms(name: str) -> None:
    text = letter(f"quote-{name}", "help@ourshop.example").text
    assert text in ("It still leaks.", "It leaks.")


def test_too_many_passages_are_shown_whole() -> None:
    between = "\n\n".join(f"> asked {n}\n\nanswered {n}" for n in range(MAX_FOLDED + 1))
    found = heard(f"{FROM_JO}\r\n{between}".encode())
    assert "folded" not in found.details["mail"]


@given(st.lists(st.sampled_from(["new", "> old", "", "\u2028> x", "a\x0b> b", "> \U0001f600"])))
def test_the_places_are_the_quoted_lines(lines: list[str]) -> None:
    text = "\n".join(lines)
    folded = fold(text)
    assert "".join(text[start:end] for start, end in folded.places).strip() == folded.quoted
    assert all(start < end for start, end in folded.places)
    assert list(folded.places) == sorted(folded.places)
