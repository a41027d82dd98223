"""A mail above the size limit is read without its large files, from the server's description.

`tests/real/test_mail.py` tests the same with a real Dovecot.
"""

from __future__ import annotations

import io
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.base import BOUNCE, Credentials, Item, UnreadableItem
from scrm.channels.email import listen, oversize, wire
from scrm.channels.email.item import KEPT_RAW, self_key
from scrm.channels.email.oversize import Partial, _parsed, _structure, fetch_without_files
from scrm.channels.email.wire import LineTooLong
from scrm.channels.missing_file import MissingFiles
from scrm.channels.unreadable import UNREADABLE

CARE = "care@skyward.example"
US = Credentials("email", self_key(CARE), CARE)
CAME = datetime(2026, 12, 1, 10, tzinfo=UTC)
SIZE = 48 * 1024 * 1024
HEAD = (
    b"From: Jo <jo@customers.example>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed;\r\n boundary=zz\r\nSubject: Film\r\n"
    b"Message-ID: <film@customers.example>\r\n\r\n"
)
TEXT = b'("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "8BIT" 30 1 NIL NIL NIL NIL)'
HTML = b'("TEXT" "HTML" ("CHARSET" "utf-8") NIL NIL "8BIT" 40 1 NIL NIL NIL NIL)'
FILM = (
    b'("video" "mp4" ("name" {13}\r\n"film" (1.mp4) NIL NIL "base64" 50000000 NIL'
    b' ("attachment" ("filename" "film \\"1\\".mp4")) NIL NIL)'
)
NOTE = b'("application" "pdf" NIL NIL NIL "base64" 8 NIL ("attachment" ("name" "a.pdf")) NIL NIL)'
LOG = b'("text" "plain" ("name" "log.txt") NIL NIL "7bit" 60000000 1 NIL NIL NIL NIL)'
BASE64 = b"Content-Transfer-Encoding: base64\r\n\r\n"
SECTIONS = {
    "1.MIME": b"Content-Type: text/plain; charset=utf-8\r\n\r\n",
    "1": "See what häppened.\r\n".encode(),
    "2.MIME": b'Content-Type: video/mp4; name="film.mp4"\r\n' + BASE64,
    "3.MIME": b"Content-Type: application/pdf; name=a.pdf\r\n" + BASE64,
    "3": b"JVBERg==",
}


class Server:
    """A fake mailbox with one mail. `asked` lists the sections that were fetched."""

    def __init__(self, structure: Any, sections: dict[str, bytes], head: bytes = HEAD) -> None:
        self.structure, self.sections = structure, {"HEADER": head, **sections}
        self.asked: list[str] = []
        self.client = self

    def uid(self, _command: str, uid: str, what: str) -> tuple[str, list[Any]]:
        if "BODYSTRUCTURE" in what:
            if isinstance(self.structure, Exception):
                raise self.structure
            return "OK", split_at_literals(b"1 (UID 7 BODYSTRUCTURE " + self.structure + b")")
        found = re.fullmatch(r"\(UID BODY\.PEEK\[(.*)\](?:<0\.(\d+)>)?\)", what)
        assert found
        self.asked.append(found[1])
        content = self.sections.get(found[1], b"")[: int(found[2]) if found[2] else None]
        return "OK", [(b"1 (UID 7 BODY[] {1}", content), b")"] if content else [None]


def split_at_literals(answer: bytes) -> list[Any]:
    """Return an answer as imaplib does: a tuple for each literal, and the rest."""
    lines: list[Any] = []
    while found := re.search(rb"\{(\d+)\}\r\n", answer):
        end = found.end() + int(found[1])
        lines.append((answer[: found.end() - 2], answer[found.end() : end]))
        answer = answer[end:]
    return [*lines, answer]


def fetch(structure: Any, sections: dict[str, bytes], head: bytes = HEAD) -> Partial:
    return fetch_without_files(cast("Any", Server(structure, sections, head)), 7, SIZE)


def read(partial: Partial) -> Item | UnreadableItem:
    mail = listen._Waiting(7, SIZE, CAME)
    place = MissingFiles("INBOX", 3)
    (found,) = listen._items(partial, mail, US, listen.Pace({}), place)
    return found


def item_of(partial: Partial) -> Item:
    found = read(partial)
    assert isinstance(found, Item)
    return found


MIXED = b"(" + TEXT + FILM + NOTE + b' "MIXED" ("BOUNDARY" "zz") NIL NIL NIL)'


# Fails if a mail above the limit is quarantined.
def test_a_large_mail_is_read_without_its_large_files() -> None:
    server = Server(MIXED, SECTIONS)
    found = item_of(fetch_without_files(cast("Any", server), 7, SIZE))
    assert found.author.key == "jo@customers.example"
    assert found.title == "Film"
    assert found.text == (
        "See what häppened.\n\n[This email has 48 MB. 1 file was not fetched: film.mp4 (48 MB). "
        "The whole email is in the mailbox.]"
    )
    assert [(file.name, file.content) for file in found.attachments] == [("a.pdf", b"%PDF")]
    assert found.key.startswith("film@customers.example")
    assert server.asked == ["HEADER", "1.MIME", "1", "2.MIME", "3.MIME", "3"]


def test_it_is_the_same_mail_in_every_mailbox() -> None:
    assert item_of(fetch(MIXED, SECTIONS)).key == item_of(fetch(MIXED, SECTIONS)).key
    other = SECTIONS | {"1": b"Something else."}
    assert item_of(fetch(MIXED, SECTIONS)).key != item_of(fetch(MIXED, other)).key


def test_nested_parts_keep_their_structure() -> None:
    structure = (
        b"((" + TEXT + HTML + b' "ALTERNATIVE" NIL NIL NIL)' + LOG + b' "MIXED" NIL NIL NIL)'
    )
    found = item_of(
        fetch(
            structure,
            {
                "1.1.MIME": b"Content-Type: text/plain\r\n\r\n", "1.1": b"The plain words.",
                "1.2.MIME": b"Content-Type: text/html\r\n\r\n", "1.2": b"<p>The <b>words</b>.</p>",
                "2.MIME": b"Content-Type: text/plain; name=log.txt\r\n\r\n",
            },
        )
    )  # fmt: skip
    assert found.text.startswith("The plain words.\n\n[This email has 48 MB. 1 file was not")
    assert "log.txt (57 MB)" in found.text
    assert found.html.startswith("<p>The <b>words</b>.</p>")
    assert "log.txt (57 MB)" in found.html


def test_a_long_text_is_cut() -> None:
    structure = b'("text" "plain" NIL NIL NIL "base64" 50000000 7 NIL NIL NIL NIL)'
    head = HEAD.replace(b"multipart/mixed;\r\n boundary=zz", b"text/plain").replace(
        b"Subject", b"Content-Transfer-Encoding: base64\r\nSubject"
    )
    content = b"VGhlIHB1bXAgbGVha3MuCg==\r\n" * 100_000
    found = item_of(fetch(structure, {"TEXT": content}, head))
    assert found.text.startswith("The pump leaks.")
    assert found.text.endswith(
        "[This email has 48 MB. Only the beginning of its text was fetched. The whole email is in "
        "the mailbox.]"
    )


def test_texts_and_files_are_bounded_together() -> None:
    large = TEXT.replace(b"30 1", b"900000 1")
    pdf = NOTE.replace(b" 8 ", b" 9000000 ")
    sections = {f"{n}": b"a" * 900_000 for n in range(1, 31)}
    heads = {f"{n}.MIME": b"Content-Type: text/plain\r\n\r\n" for n in range(1, 31)}
    server = Server(b"(" + large * 10 + pdf * 20 + b' "MIXED" NIL NIL NIL)', sections | heads)
    partial = fetch_without_files(cast("Any", server), 7, SIZE)
    assert len(partial.raw) < oversize.MAX_TEXTS + 2 * 900_000 + 10_000
    assert "18 files were not fetched: " in partial.left_out
    assert "Only the beginning of its text was fetched." in partial.left_out


def test_many_parts_are_counted() -> None:
    partial = fetch(b"(" + TEXT + FILM * 200 + b' "MIXED" NIL NIL NIL)', SECTIONS)
    assert "200 files were not fetched: film.mp4 (48 MB), " in partial.left_out
    assert partial.left_out.endswith(", and 180 more. The whole email is in the mailbox.")


def test_a_bounce_keeps_its_reason() -> None:
    status = b'("message" "delivery-status" NIL NIL NIL "7bit" 60 NIL NIL NIL NIL)'
    sections = {
        "1.MIME": b"Content-Type: message/delivery-status\r\n\r\n",
        "1": b"Reporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\n"
        b"Action: failed\r\nDiagnostic-Code: smtp; 552 Too large\r\n",
    }
    structure = b"(" + status + FILM + b' "REPORT" NIL NIL NIL)'
    found = item_of(fetch(structure, sections))
    assert (found.kind, found.text) == (BOUNCE, "552 Too large")


@pytest.mark.parametrize(
    "structure",
    [
        b"", b"NIL", b"()", b'("text")', b'("text" "plain" NIL NIL NIL "7bit" "many")', b'("a',
        b")", b"(" * 100_000, b'(("a" "b") "mixed"', b"(" * 60 + TEXT + b' "MIXED")' * 60,
        LineTooLong("endless"),
    ],
)  # fmt: skip
def test_a_mail_whose_parts_are_not_described_is_set_apart(structure: Any) -> None:
    found = read(fetch(structure, SECTIONS, HEAD + b"x" * KEPT_RAW))
    assert isinstance(found, UnreadableItem)
    assert found.reason == "It has 48 MB; the limit is 36. It is still in the mailbox."
    assert len(found.raw) == KEPT_RAW


# Fails if imaplib itself refuses the line: the fetch would fail again and again at this mail.
def test_an_endless_line_is_told_from_a_lost_connection() -> None:
    imap = object.__new__(wire._Imap)
    imap.server = wire.Server("mail.example", 993, "tls", "", "", "")
    imap._answers = io.BufferedReader(cast("Any", io.BytesIO(b"x" * 2_000_000)))
    with pytest.raises(LineTooLong, match=r"mail\.example sent a line of more than 1000000 bytes"):
        imap.readline()


def test_a_deleted_mail_is_nothing() -> None:
    assert fetch(MIXED, {}, b"") == Partial(b"")


def test_an_answer_with_quotes_and_literals_is_parsed() -> None:
    answer = b'1 (UID 7 X ("a \\"b\\" \\\\" NIL {3}\r\n")()( () "" 12))'
    assert _parsed(answer) == [
        b"1",
        [b"UID", b"7", b"X", [b'a "b" \\', b"NIL", b'")('], [[], b"", b"12"]],
    ]


@given(st.text('()" \\{1}\r\nA', max_size=60))
def test_any_answer_is_parsed_or_refused(text: str) -> None:
    with suppress(UNREADABLE):
        assert _structure(f"1 (UID 7 BODYSTRUCTURE {text})".encode()).kind


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b"(", b'"', b'\\"', b"()", b'("a" ', b"{1}\r\n", b"a", b" "])
def test_a_hostile_answer_costs_little(piece: bytes) -> None:
    began = time.process_time()
    with suppress(UNREADABLE):
        _structure(b"1 (UID 7 BODYSTRUCTURE " + piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 4
