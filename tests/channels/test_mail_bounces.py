"""Automatic mail: how it is recognised, and how a bounce shows which of our mails it returns."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.base import AUTOMATIC, BOUNCE, NOTICE, Credentials, Item, UnreadableItem
from scrm.channels.email import ids
from scrm.channels.email.item import MAX_FROM_ONE, Pace, item, self_key

US = Credentials("email", self_key("care@skyward.example"), "care@skyward.example")
OWN = ids.our_id(str(uuid.UUID(int=7)), ids.token("bag"), "skyward.example")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)

REPORT = """From: Mail Delivery System <MAILER-DAEMON@mx.example>
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x
Content-Type: text/plain

Your letter could not be delivered.

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; jo@customers.example
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such
    user here

--x
Content-Type: message/rfc822

Message-ID: <{own}>
From: care@skyward.example

We found it.
--x--
"""
OLD = """Return-Path: <>
From: mailer-daemon@mx.example
Subject: failure notice

Hi. This is the program at mx.example.
<jo@customers.example>:
550 5.2.2 This mailbox is full.

--- Below this line is a copy of the message.

Message-ID: <{own}>
"""
EXIM = """From: Mail Delivery System <Mailer-Daemon@mx.example>
X-Failed-Recipients: jo@customers.example
Subject: Mail delivery failed: returning message to sender

  jo@customers.example
    host mx.example: 550 Unrouteable address

Message-Id: <{own}>
"""
LATE = """From: MAILER-DAEMON@mx.example
Subject: Warning: message delayed 4 hours

It is still being retried. {own}
"""
# A mail server on the way may write our id in capitals.
ALL = [
    (REPORT.format(action="failed", own=OWN), BOUNCE, "550 5.1.1 no such user here"),
    (REPORT.format(action="failed", own=OWN.upper()), BOUNCE, "550 5.1.1 no such user here"),
    (REPORT.format(action="delayed", own=OWN), NOTICE, "550 5.1.1 no such user here"),
    (OLD.format(own=OWN), BOUNCE, "550 5.2.2 This mailbox is full."),
    (EXIM.format(own=OWN), BOUNCE, "host mx.example: 550 Unrouteable address"),
    (LATE.format(own=OWN), NOTICE, "The recipient's mail server returned the email."),
]


def heard(raw: str | bytes) -> Item:
    content = raw.encode() if isinstance(raw, str) else raw
    found = item(content, came=NOW, credentials=US)
    assert isinstance(found, Item), found
    return found


@pytest.mark.parametrize(("raw", "kind", "reason"), ALL)
def test_a_bounce_names_our_letter_and_the_reason(raw: str, kind: str, reason: str) -> None:
    found = heard(raw)
    assert (found.kind, found.in_reply_to, found.text) == (kind, OWN, reason)


def test_a_report_says_whom_it_did_not_reach() -> None:
    for raw in (REPORT.format(action="failed", own=OWN), EXIM.format(own=OWN)):
        assert heard(raw).author.key == "jo@customers.example"


@pytest.mark.parametrize("raw", [REPORT.format(action="failed", own="x@y"), OLD.format(own="x@y")])
def test_a_bounce_of_what_we_did_not_send_is_nobodys(raw: str) -> None:
    found = heard(raw)
    assert (found.kind, found.in_reply_to) == (BOUNCE, "")


def test_a_bounce_that_names_nobody_has_no_author() -> None:
    author = heard(OLD.format(own=OWN).replace("<jo@customers.example>:\n", "")).author
    assert (author.key, author.handle) == ("", "")


def test_a_bounce_names_the_key_of_an_address() -> None:
    raw = EXIM.format(own=OWN).replace("jo@customers", "Eva@straße.test, jo@customers", 1)
    author = heard(raw).author
    assert (author.key, author.handle) == ("eva@xn--strae-oqa.test", "eva@straße.test")


@pytest.mark.parametrize(
    "head",
    [
        "From: jo@customers.example\nSubject: My mail was not delivered",
        "From: Post Master <postmaster@customers.example>\nSubject: Your seats",
        "From: jo@customers.example\nSubject: Re: Undelivered bag",
        "From: postmaster@smallco.example\nSubject: Delayed baggage on SK 590",
        "Return-Path: <>\nFrom: jo@customers.example\nSubject: You failed to deliver my bag",
    ],
)
def test_people_who_write_of_such_things_are_people(head: str) -> None:
    assert heard(f"{head}\n\nHello").kind == "message"


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-replied; owner=x",
        "X-Autoreply: yes",
        "X-Autorespond: yes",
        "Precedence: auto_reply",
        "Precedence: bulk\nIn-Reply-To: <x@y>",
        "Precedence: auto-reply\nIn-Reply-To: <x@y>",
        "Auto-Submitted: auto-generated\nSubject: Automatische Antwort: bag",
        "X-Auto-Response-Suppress: All\nSubject: Out of Office AutoReply: bag",
        "Auto-Submitted: auto-generated\nReferences: <x@y>",
        "X-Auto-Response-Suppress: All\nSubject: Out of Office: bag",
        "Precedence: junk\nSubject: Abwesenheitsnotiz: bag",
        "Return-Path: <>\nSubject: Automatic reply: bag",
    ],
)
def test_a_machine_that_answers(head: str) -> None:
    assert heard(f"From: jo@customers.example\n{head}\n\nI am away.").kind == AUTOMATIC


@pytest.mark.parametrize(
    "head",
    [
        "Subject: Hello",
        "Auto-Submitted: no\nIn-Reply-To: <x@y>",
        "Auto-Submitted: auto-generated\nSubject: New order 7",
        "Precedence: bulk\nSubject: News",
        "Precedence: list\nSubject: [fans] My bag",
        "Precedence: list\nIn-Reply-To: <x@y>",
        "Precedence: list\nList-ID: <fans.x>\nReferences: <x@y>\nSubject: Auto kaputt",
        "Precedence: bulk\nList-ID: <fans.x>\nIn-Reply-To: <x@y>",
        "Precedence: bulk\nMailing-list: list fans@x\nIn-Reply-To: <x@y>",
        "X-Auto-Response-Suppress: All\nIn-Reply-To: <x@y>",
        "X-Auto-Response-Suppress: OOF, AutoReply\nReferences: <x@y>\nSubject: Re: My bag",
        "X-Auto-Response-Suppress: All\nSubject: Auto kaputt",
        "X-Auto-Response-Suppress: All\nSubject: Out of office furniture",
        "Subject: Out of the office furniture\nIn-Reply-To: <x@y>",
    ],
)
# Fails if `Precedence: list` or the suppress header alone counts as proof of automatic mail.
def test_a_letter_that_is_work(head: str) -> None:
    assert heard(f"From: jo@customers.example\n{head}\n\nHello").kind == "message"


@pytest.mark.parametrize(
    ("head", "author"),
    [
        ("From: Jo <JO@customers.example>\nReply-To: mallory@x.example", "jo@customers.example"),
        (
            "From: no-reply@shop.example\nReply-To: jo@customers.example",
            "unverified:jo@customers.example",
        ),
        ("From: care@skyward.example\nReply-To: jo@customers.example", "jo@customers.example"),
        ("From: care@skyward.example", "care@skyward.example"),
        ("Reply-To: jo@customers.example\nSubject: x", "jo@customers.example"),
    ],
)
def test_who_is_answered(head: str, author: str) -> None:
    """Our reply goes to the From address, even if the mail has a Reply-To header.

    Reply-To is used only if From is missing, is our own address, or is a no-reply address. A
    Reply-To that differs from the sender could otherwise send our replies to another person.
    """
    assert heard(f"{head}\n\nHello").author.key == author


def test_our_own_letter_is_ours_and_nobody_elses_can_be() -> None:
    head = f"Message-ID: <{OWN}>\n\nHi"
    assert heard(f"From: care@skyward.example\n{head}").author.key == US.self_key
    for sender in ("x@y.example", "sales@skyward.example"):
        said = heard(f"From: {sender}\n{head}")
        assert (said.author.key, said.key != OWN) == (sender, True)
    said = heard(f"From: care@skyward.example\nMessage-ID: <x.{OWN}>\n\nHi")
    assert (said.author.key, said.key != OWN) == ("care@skyward.example", True)
    forged = f"{uuid.UUID(int=9)}.{'0' * 20}.{'0' * 16}@skyward.example"
    said = heard(f"From: care@skyward.example\nMessage-ID: <{forged}>\n\nHi")
    assert said.author.key != US.self_key


def test_a_date_that_cannot_be_is_not_believed() -> None:
    for date, believed in (
        ("Wed, 04 Mar 2026 11:00:00 +0000", NOW - timedelta(hours=1)),
        ("Thu, 01 Jan 1970 00:00:00 +0000", NOW),
        ("Wed, 04 Mar 2099 11:00:00 +0000", NOW),
        ("yesterday", NOW),
    ):
        assert heard(f"From: a@b.example\nDate: {date}\n\nHi").occurred_at == believed


def test_a_letter_without_a_sender_is_unreadable() -> None:
    found = item(b"Subject: Hello\r\n\r\nHi", came=NOW, credentials=US)
    assert isinstance(found, UnreadableItem)


def test_who_runs_wild_is_heard_without_opening_cases() -> None:
    pace, said = Pace.of(None), []
    for number in range(MAX_FROM_ONE + 5):
        letter = heard(f"From: jo@customers.example\n\n{number}")
        found, word = Pace.of(pace.kept if number % 7 == 0 else pace.senders).count(letter, NOW)
        pace.senders[letter.author.key] = [number + 1, NOW.timestamp()]
        said += [word] if word else []
        assert (found.kind == AUTOMATIC) == (number >= MAX_FROM_ONE)
    assert len(said) == 1
    later = heard("From: jo@customers.example\n\nMuch later")
    assert pace.count(later, NOW + timedelta(hours=1))[0].kind == "message"


@given(st.binary(max_size=300), st.sampled_from([b"", REPORT.encode(), OLD.encode()]))
def test_any_bytes_become_an_item_or_are_unreadable(noise: bytes, start: bytes) -> None:
    for raw in (start + noise, start[: len(start) // 2] + noise, b"From: a@b.example\r\n" + noise):
        found = item(raw, came=NOW, credentials=US)
        assert isinstance(found, Item | UnreadableItem)
