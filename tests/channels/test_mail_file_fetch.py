"""A file of a large mail is fetched from the mailbox: by its UID, or by its Message-ID.

`tests/real/test_mail.py` tests the same with a real Dovecot.
"""

from __future__ import annotations

import io
import re
from base64 import encodebytes
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from imap_tools.errors import MailboxFolderSelectError

from scrm.channels.base import Credentials
from scrm.channels.email import file_fetch
from scrm.channels.email.file_fetch import GONE, SHORT, TOO_LARGE, fetch_file
from scrm.channels.email.item import self_key
from scrm.channels.email.wire import LineTooLong, MailError
from scrm.channels.missing_file import MAX_SIZE, MissingFile, MissingFiles

CARE = "care@skyward.example"
US = Credentials("email", self_key(CARE), CARE)
KEY = "film@customers.example#0123456789abcdef"
FILM = bytes(range(256)) * 10_000
ENCODED = encodebytes(FILM).replace(b"\n", b"\r\n")
SIZE = len(ENCODED) + 500
FILE = MissingFile("2", "film.mp4", len(ENCODED), "video/mp4", "base64")
MISSING = MissingFiles("INBOX", 3, 7, SIZE, (FILE,))
STRUCTURE = (
    b'(("TEXT" "PLAIN" NIL NIL NIL "8BIT" 30 1 NIL NIL NIL NIL)'
    b'("video" "mp4" NIL NIL NIL "%b" %d NIL ("attachment" ("filename" "film.mp4")) NIL NIL)'
    b' "MIXED" NIL NIL NIL)'
)


class Mail:
    def __init__(
        self, content: bytes = ENCODED, size: int = SIZE, name: str = "film@customers.example"
    ) -> None:
        self.content, self.size, self.name = content, size, name
        self.structure = STRUCTURE % (b"base64", len(content))


class Box:
    """A fake mailbox: folder → UID → mail. `asked` lists what was fetched of the content.

    closed: the name of the folder that this user may not open.
    """

    def __init__(
        self, folders: dict[str, dict[int, Mail]], validity: int = 3, closed: str = ""
    ) -> None:
        self.closed = closed
        self.folders, self.validity = folders, validity
        self.opened, self.asked = "", list[str]()
        self.client = self
        self.folder = SimpleNamespace(list=self.listed, set=self.open)

    def listed(self) -> list[Any]:
        flags = ("\\NoSelect", "\\noselect", "\\NonExistent")
        none = [SimpleNamespace(name="All", flags=(flag,)) for flag in flags]
        return [*none, *(SimpleNamespace(name=name, flags=()) for name in self.folders)]

    def open(self, name: str, *, readonly: bool) -> None:
        assert readonly
        if name in self.closed:
            raise MailboxFolderSelectError(("NO", [b"Access denied"]), "OK")
        self.opened = name

    def response(self, _code: str) -> tuple[str, list[bytes]]:
        return "OK", [str(self.validity).encode()]

    def uids(self, criteria: str) -> list[str]:
        found = re.fullmatch(r'HEADER Message-ID "<(.+)>"', criteria)
        assert found
        mails = self.folders[self.opened].items()
        return [str(uid) for uid, mail in mails if mail.name == found[1]]

    def uid(self, _command: str, uid: str, what: str) -> tuple[str, list[Any]]:
        mail = self.folders[self.opened].get(int(uid))
        if mail is None:
            return "OK", [None]
        if "RFC822.SIZE" in what:
            return "OK", [b"1 (UID %d RFC822.SIZE %d)" % (int(uid), mail.size)]
        if "BODYSTRUCTURE" in what:
            return "OK", [b"1 (UID 7 BODYSTRUCTURE " + mail.structure + b")"]
        found = re.fullmatch(r"\(UID BODY\.PEEK\[2\]<(\d+)\.(\d+)>\)", what)
        assert found, what
        self.asked.append(what)
        start, most = int(found[1]), int(found[2])
        return "OK", [(b"1 (UID 7 BODY[2] {1}", mail.content[start : start + most]), b")"]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Any:
    def fetched(box: Box, missing: MissingFiles = MISSING, key: str = KEY) -> bytes:
        @contextmanager
        def opened(*_: Any, **__: Any) -> Iterator[Any]:
            yield cast("Any", box)

        monkeypatch.setattr(file_fetch, "mailbox", opened)
        out = io.BytesIO()
        fetch_file(US, missing, "2", key, out)
        return out.getvalue()

    return fetched


def test_a_file_is_fetched_in_pieces_and_decoded(fetched: Any) -> None:
    box = Box({"INBOX": {7: Mail()}})
    assert fetched(box) == FILM
    assert len(box.asked) == len(ENCODED) // file_fetch.CHUNK + 1 > 2


# Fails if the UID alone names the mail: another mail may have it after a renumbering.
@pytest.mark.parametrize(
    ("folders", "validity"),
    [
        ({"INBOX": {7: Mail(b"x", 5, "other@x.example"), 9: Mail()}}, 4),
        ({"INBOX": {}, "Archive": {7: Mail(b"x", 5, "other@x.example"), 12: Mail()}}, 3),
        ({"Archive": {2: Mail(b"x", 5), 3: Mail(), 4: Mail(b"y", 6)}}, 3),
    ],
    ids=["renumbered", "moved", "one of several with the same Message-ID"],
)
def test_a_mail_that_moved_is_found(
    fetched: Any, folders: dict[str, dict[int, Mail]], validity: int
) -> None:
    assert fetched(Box(folders, validity)) == FILM


@pytest.mark.parametrize(
    ("folders", "key"),
    [
        ({"INBOX": {}}, KEY),
        ({"INBOX": {7: Mail(b"x" * 9, SIZE)}}, KEY),
        ({}, KEY),
    ],
    ids=["deleted", "another mail of the same size", "no folder"],
)
def test_a_mail_that_is_gone_is_reported(
    fetched: Any, folders: dict[str, dict[int, Mail]], key: str
) -> None:
    with pytest.raises(MailError) as error:
        fetched(Box(folders), key=key)
    assert (error.value.message, error.value.permanent) == (GONE, True)


def test_a_folder_that_may_not_be_opened_does_not_end_the_search(fetched: Any) -> None:
    box = Box({"INBOX": {}, "Boss": {}, "Archive": {12: Mail()}}, closed="Boss")
    assert fetched(box) == FILM


def test_a_mail_that_may_have_been_moved_is_not_called_deleted(fetched: Any) -> None:
    with pytest.raises(MailError, match="was moved or deleted") as error:
        fetched(Box({"Archive": {7: Mail()}}), key="0123456789abcdef")
    assert error.value.permanent


def test_a_connection_that_cannot_be_used_ends_the_search(
    fetched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def described(*_: Any) -> Any:
        raise LineTooLong("endless")

    monkeypatch.setattr(file_fetch, "parts_of", described)
    with pytest.raises(LineTooLong):  # `mailbox`, which is faked here, reports it
        fetched(Box({"INBOX": {7: Mail()}}))


def test_a_file_above_the_limit_is_not_fetched(fetched: Any) -> None:
    box = Box({"INBOX": {7: Mail()}})
    large = MissingFiles("INBOX", 3, 7, SIZE, (MissingFile("2", "film.mp4", MAX_SIZE + 1),))
    with pytest.raises(MailError) as error:
        fetched(box, large)
    assert error.value.message == TOO_LARGE
    assert box.asked == []


def test_a_server_that_sends_more_than_it_said_is_stopped(
    fetched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_fetch, "MAX_SIZE", len(ENCODED) + 10)
    mail = Mail()
    mail.content = ENCODED * 4
    box = Box({"INBOX": {7: mail}})
    with pytest.raises(MailError, match="larger than"):
        fetched(box)
    assert len(box.asked) < 5


def test_half_a_file_is_not_stored_as_the_whole(fetched: Any) -> None:
    mail = Mail()
    mail.content = ENCODED[:-100]
    with pytest.raises(MailError) as error:
        fetched(Box({"INBOX": {7: mail}}))
    assert (error.value.message, error.value.permanent) == (SHORT, False)


@pytest.mark.parametrize(
    ("encoding", "content", "decoded"),
    [
        ("quoted-printable", b"B=C3=BC=\r\ngel\r\n" * 150_000, "Bügel\r\n".encode() * 150_000),
        ("quoted-printable", b"B=C3=BC", "Bü".encode()),
        ("base64", b"QUJD!\r\nRE\r\nVG", b"ABCDEF"),
        ("base64", b"QUI", b""),
        ("7bit", b"a\r\nb", b"a\r\nb"),
        ("binary", bytes(range(256)), bytes(range(256))),
        ("x-unknown", b"QUJD", b"QUJD"),
    ],
)
def test_encodings(fetched: Any, encoding: str, content: bytes, decoded: bytes) -> None:
    mail = Mail(content)
    file = MissingFile("2", "a", len(content), "text/plain", encoding)
    missing = MissingFiles("INBOX", 3, 7, SIZE, (file,))
    assert fetched(Box({"INBOX": {7: mail}}), missing) == decoded
