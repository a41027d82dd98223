"""Message-IDs, and the threads that are derived from them.

scrm can verify that a Message-ID is its own. A mail that refers to such an id belongs to the thread
of that id. Other mails form a thread only with mails of the same author.
"""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.base import Credentials, Outgoing
from scrm.channels.email import ids
from scrm.channels.email.item import self_key
from scrm.channels.email.letter import identity, seal, subject
from scrm.channels.email.read import read

US = Credentials(
    "email", self_key("care@skyward.example"), "care@skyward.example",
    config={"name": "Skyward", "signature": "We care."},
)  # fmt: skip
NONCE = str(uuid.UUID(int=7))
JO = "jo@customers.example"


def outgoing(**facts: object) -> Outgoing:
    return Outgoing(**{"nonce": NONCE, "text": "We found it.", "destination": JO} | facts)  # type: ignore[arg-type]


def test_our_own_ids_are_known_again_and_no_others() -> None:
    own, thread = identity(US, outgoing())
    found = ids.find_ours(f"<{own}>")
    assert found == ids.Ours(own, NONCE, thread)
    assert ids.find_ours(own.upper()) == found
    assert ids.find_ours(own.replace(NONCE, str(uuid.UUID(int=8)))) is None
    assert ids.find_ours(own.replace(thread, "0" * 20)) is None
    assert ids.find_ours(own.replace("skyward", "evil")) is None
    assert ids.find_ours(f"{own}. It came back") == found


# Fails if the signature does not cover the domain, because the second id is then accepted as ours.
def test_only_a_whole_id_of_this_domain_is_our_own() -> None:
    own = identity(US, outgoing())[0]
    assert ids.own_id(own, "skyward.example") == ids.own_id(own.upper(), "skyward.example")
    assert ids.own_id(own, "skyward.example")
    assert ids.own_id(own, "other.example") is None
    assert ids.own_id(own, "example") is None
    for forged in (f"x.{own}", f"{own}.evil.example", own.replace("skyward", "evil"), ""):
        assert ids.own_id(forged, "skyward.example") is None


@given(st.uuids(), st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_an_id_of_ours_is_found_wherever_it_stands(
    nonce: uuid.UUID, thread: str, before: str, after: str
) -> None:
    own = ids.our_id(str(nonce), ids.token(thread), "skyward.example")
    found = ids.find_ours(f"{before} <{own}> {after}")
    assert found
    assert found.nonce == str(nonce)


def test_whoever_answers_us_is_in_our_thread_whoever_they_are() -> None:
    own, thread = identity(US, outgoing(thread_key="0123456789abcdef0123"))
    assert thread == "0123456789abcdef0123"
    assert ids.thread("x@y", [own], JO) == thread
    assert ids.thread("x@y", ["first@y", own, "later@y"], "kim@customers.example") == thread


def test_a_copied_id_opens_no_thread_of_somebody_else() -> None:
    first = ids.thread("a@customers.example", [], JO)
    assert ids.thread("b@customers.example", ["a@customers.example"], JO) == first
    stranger = "mallory@elsewhere.example"
    assert ids.thread("c@elsewhere.example", ["a@customers.example"], stranger) != first


@given(st.text(max_size=300), st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_a_key_gives_its_id_back_or_none(message_id: str, digest: str) -> None:
    back = ids.id_of(ids.key(message_id, digest))
    assert back in ("", message_id)


def test_what_is_in_a_letter_tells_two_of_one_id_apart() -> None:
    assert ids.key("a@b", "1" * 64) != ids.key("a@b", "2" * 64)
    assert ids.id_of(ids.key("a@b", "1" * 64)) == "a@b"


@given(st.text(max_size=400))
def test_any_header_can_be_searched_for_ids(header: str) -> None:
    assert all(" " not in each for each in ids.ids(header))


def test_a_letter_of_ours_is_the_same_at_every_try() -> None:
    one, other = seal(US, outgoing()), seal(US, outgoing())
    assert one.id == other.id
    assert one.id.startswith(NONCE)


def test_headers_lead_back_to_what_is_answered() -> None:
    chain = tuple(ids.key(f"{n}@customers.example", "0" * 64) for n in range(40))
    letter = seal(US, outgoing(in_reply_to=chain[-1], references=chain, about="AW: Re: Bag"))
    got = read(letter.content)
    assert got.header("in-reply-to") == "<39@customers.example>"
    assert got.references[0] == "0@customers.example"
    assert got.references[-1] == "39@customers.example"
    assert len(got.references) == 20
    assert got.subject == "Re: Bag"


def test_a_letter_about_nothing_says_whose_it_is() -> None:
    assert subject(outgoing(), "Skyward") == "A message from Skyward"
    assert subject(outgoing(about="Bag"), "Skyward") == "Re: Bag"
    assert subject(outgoing(about="Bag", subject="Found\r\nBcc: x@y"), "S") == "Found Bcc: x@y"


@given(st.text(max_size=2_500))
def test_what_we_write_arrives_as_written(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode().replace("\x00", "")
    content = seal(US, outgoing(text=text)).content
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    got = read(content).text.split()
    assert got == [*text.split(), "--", "We", "care."]


@given(st.text(min_size=1, max_size=300))
def test_no_subject_breaks_out_of_its_line(text: str) -> None:
    content = seal(US, outgoing(subject=text)).content
    head = content.partition(b"\r\n\r\n")[0]
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert names.count(b"Subject") == 1
    assert set(names) <= {
        b"Message-ID", b"From", b"To", b"Subject", b"Date", b"MIME-Version", b"Content-Type",
        b"Content-Transfer-Encoding",
    }  # fmt: skip
