"""Mails are parsed in a parser process: a mail that costs too much is set apart, the next is read.

The worker itself parses no mail.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrm.channels.base import Credentials, Item, UnreadableItem
from scrm.channels.email import bounded, listen, read
from scrm.channels.email.item import item, self_key
from scrm.channels.email.parts import Unreadable
from scrm.channels.missing_file import MissingFiles
from scrm.channels.parser_process import PARSER

LETTERS = sorted((Path(__file__).parent / "letters").glob("*.eml"))
CARE = "care@skyward.example"
US = Credentials("email", self_key(CARE), CARE)
CAME = datetime(2026, 12, 1, 10, tzinfo=UTC)
HOSTILE = (
    b"From: Eve <eve@evil.example>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\nContent-Type: text/html\r\n\r\n<p>Hello\r\n" * 2_000
)
GOOD = b"From: Jo <jo@customers.example>\r\nSubject: Pump\r\n\r\nThe pump leaks."


class Mailbox:
    """A fake mailbox that contains these mails."""

    def __init__(self, *mails: bytes) -> None:
        self.mails = mails
        self.client = SimpleNamespace(uid=self.fetch)

    def fetch(self, _command: str, uid: str, _what: str) -> tuple[str, list[Any]]:
        return "OK", [(b"BODY[]", self.mails[int(uid) - 1]), b")"]


def read_all(*mails: bytes, seconds: float = 60.0) -> Any:
    waiting = [listen._Waiting(n, len(raw), CAME) for n, raw in enumerate(mails, 1)]
    cursor = {"validity": 1, "uid": 0, "since": "2026-12-01"}
    return listen._read(
        cast("Any", Mailbox(*mails)),
        waiting,
        US,
        cursor,
        [1, 2, 3],
        MissingFiles("INBOX", 1),
        until=time.monotonic() + seconds,
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("compute", "This email takes more than 0.3 seconds of computing to read."),
        ("fill_memory", "This email cannot be read: it needs too much memory."),
        ("crash", "This email cannot be read: the parser crashed (status -11)."),
        ("echo", "This email cannot be read: the parser failed."),
    ],
)
def test_a_mail_that_stops_the_parser_is_set_apart_and_the_next_is_read(
    fault: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "CPU_SECONDS", 0.3)
    parse = PARSER.parse

    def hostile(operation: str, body: bytes, *rest: Any, **limits: Any) -> Any:
        name = f"tests.channels.parser_faults:{fault}" if body == HOSTILE else operation
        return parse(name, body, *rest, **limits)

    monkeypatch.setattr(PARSER, "parse", hostile)
    batch = read_all(GOOD, HOSTILE, GOOD.replace(b"Pump", b"Again"))
    assert [each.title for each in batch.items] == ["Pump", "Again"]
    assert batch.unreadable == (UnreadableItem(HOSTILE, reason),)
    assert batch.cursor["uid"] == 3


# Fails if all mails are read whatever it costs: the task would be stopped, and nothing be stored.
def test_when_the_time_is_over_the_next_fetch_reads_the_other_mails() -> None:
    batch = read_all(GOOD, GOOD.replace(b"Pump", b"Again"), seconds=0)
    assert [each.title for each in batch.items] == ["Pump"]
    assert (batch.cursor["uid"], batch.next_after) == (1, 0.0)


def test_a_mail_that_costs_too_much_is_set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(item(GOOD, came=CAME, credentials=US), Item)
    monkeypatch.setattr(bounded, "CPU_SECONDS", 0.02)
    found = item(HOSTILE, came=CAME, credentials=US)
    assert isinstance(found, UnreadableItem)
    assert found.reason == "This email takes more than 0.02 seconds of computing to read."


# Fails if the worker parses mails itself.
def test_the_worker_parses_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise AssertionError(os.getpid())

    assert isinstance(item(GOOD, came=CAME, credentials=US), Item)
    for name in ("_read", "parse_message", "Parts"):
        monkeypatch.setattr(read, name, refuse)
    found = item(GOOD, came=CAME, credentials=US)
    assert isinstance(found, Item)
    assert (found.title, found.text) == ("Pump", "The pump leaks.")


def both(raw: bytes) -> tuple[object, object]:
    """Return what is read here and what is read in the parser process: a mail, or a reason."""
    found: list[object] = []
    for function in (read.read, bounded.read):
        try:
            letter = function(raw)
            headers = {name: letter.headers[name] for name in letter.headers}
            reports = tuple(dict(report.items()) for report in letter.report)
            found.append(replace(letter, headers=headers, report=reports))
        except Unreadable as error:
            found.append(str(error))
    return found[0], found[1]


# Fails without Django settings in the parser process: the names of charsets are translatable.
def test_a_guessed_charset_has_a_name() -> None:
    here, there = both(GOOD.replace(b"leaks", "läuft über".encode("cp1252")))
    assert there == here
    assert isinstance(there, read.Letter)
    assert "It was read as " in there.text


@pytest.mark.parametrize("path", LETTERS, ids=lambda path: path.stem)
def test_the_parser_process_reads_what_would_be_read_here(path: Path) -> None:
    here, there = both(path.read_bytes())
    assert there == here


def test_files_and_times_come_through_the_pipe() -> None:
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["Date"] = "Jo <jo@customers.example>", CAME
    message.set_content("See there.")
    for content in (bytes(range(256)), b"", b"x" * 100_000):
        message.add_attachment(content, maintype="a", subtype="b", filename="ü.bin")
    here, there = both(message.as_bytes())
    assert there == here
    assert isinstance(there, read.Letter)
    assert [len(file.content) for file in there.files] == [256, 100_000]
    assert there.date == CAME


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_as_they_would_be_here(noise: bytes) -> None:
    for raw in (noise, b"From: jo@customers.example\r\n" + noise):
        here, there = both(raw)
        assert there == here
