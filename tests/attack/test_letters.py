"""Guarantee G24 (docs/guarantees.md): no mail of 5 MB costs much more than an ordinary one.

Each mail is read as in the parser process, and then its quotations are folded. The limit is a
multiple of what an ordinary mail of the same size costs on the same machine.
"""

from __future__ import annotations

import os
import time
from base64 import encodebytes
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest

from scrm.channels.email.parts import MAX_PARTS, Unreadable
from scrm.channels.email.quotes import fold
from scrm.channels.email.read import read

pytestmark = pytest.mark.slow
SIZE = 5_000_000
FACTOR = 20
"""An ordinary mail of this size takes 0.12 s, so that 3 s are a factor of 25."""
HEAD = b"From: Jo <jo@customers.example>\r\nSubject: Pump\r\nMessage-ID: <a@b.example>\r\n"
LINE = b"The pump of my boat leaks since Monday and nobody answers.\r\n"
FLOWED = b"text/plain; format=flowed"


def mail(kind: bytes, line: bytes, encoding: bytes = b"8bit") -> bytes:
    """Return a mail of 5 MB that repeats `line`."""
    head = HEAD + b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (kind, encoding)
    return head + line * (SIZE // len(line))


def html(text: bytes) -> bytes:
    """Return a mail of this HTML. It must be short: style sheets of a long one are not read."""
    return HEAD + b"Content-Type: text/html\r\n\r\n" + text


def header(line: bytes) -> bytes:
    """Return a mail whose headers of 5 MB repeat `line`."""
    return HEAD + line * (SIZE // len(line)) + b"\r\n\r\nHello"


def parts(part: bytes, kind: bytes = b"multipart/mixed", count: int = 100_000) -> bytes:
    start = HEAD + b"Content-Type: %b; boundary=x\r\n\r\n" % kind
    return start + (b"--x\r\n" + part + b"\r\n") * count + b"--x--"


def nested(depth: int, line: bytes) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )
    return HEAD + opening + b"\r\n" + line * (SIZE // len(line))


LETTERS: dict[str, Callable[[], bytes]] = {
    "flowed, short lines": lambda: mail(FLOWED, b"ab \r\n"),
    "flowed, empty lines": lambda: mail(FLOWED, b" \r\n"),
    "flowed, long lines": lambda: mail(FLOWED, LINE.replace(b".", b" ")),
    "flowed, one line": lambda: mail(FLOWED, b"ab "),
    "flowed, delsp": lambda: mail(FLOWED + b"; delsp=yes", b"ab \r\n"),
    "flowed, quoted": lambda: mail(FLOWED, b"> ab \r\n"),
    "flowed, parts": lambda: parts(b"Content-Type: text/plain; format=flowed\r\n\r\nab \r\n"),
    "levels of >": lambda: HEAD + b"\r\n" + b">" * 200_000 + b" Hello",
    "lines of >": lambda: mail(b"text/plain", b">\r\n"),
    "quotations and text": lambda: mail(b"text/plain", b">\r\na\r\n"),
    "starts of quotations": lambda: mail(b"text/plain", b"On 1.1.2020 10:00 Jo <a@b.example>\r\n"),
    "empty lines": lambda: mail(b"text/plain", b"\r\n"),
    "one header": lambda: header(b"X-A: a" + b"a" * SIZE),
    "folded header": lambda: header(b"X-A: a" + b"\r\n a" * (SIZE // 4)),
    "many headers": lambda: header(b"X-A: a\r\n"),
    "headers in an unknown charset": lambda: header(b"X-A: \xff\r\n"),
    "parts": lambda: parts(b"Content-Type: text/plain\r\n\r\nHello"),
    "parts of HTML": lambda: parts(b"Content-Type: text/html\r\n\r\n<p>Hello"),
    "files": lambda: parts(b"Content-Disposition: attachment; filename=a\r\n\r\nHello"),
    "alternatives": lambda: parts(b"\r\nHello", b"multipart/alternative"),
    "mails in a digest": lambda: parts(b"\r\nSubject: a\r\n\r\nHello", b"multipart/digest"),
    "mails": lambda: parts(b"Content-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\nHello"),
    "recipients in a report": lambda: mail(b"message/delivery-status", b"Action: failed\r\n\r\n"),
    "parts without a boundary": lambda: mail(
        b"multipart/mixed; boundary=x", b"--y\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    ),
    "nested parts": lambda: nested(40, b"a\r\n"),
    "nested parts, few": lambda: nested(4, b"\r\n"),
    "nested mails": lambda: HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 150_000 + b"Hello",
    "div": lambda: mail(b"text/html", b"<div>"),
    "<br": lambda: mail(b"text/html", b"<br"),
    "<": lambda: mail(b"text/html", b"<"),
    "&": lambda: mail(b"text/html", b"&"),
    "blockquote": lambda: mail(b"text/html", b"<blockquote>"),
    "tables": lambda: mail(b"text/html", b"<table><tr><td>"),
    "selectors and declarations": lambda: html(
        b"<style>%b{%b}</style><b class=a>x" % (b",".join([b".a"] * 2000), b"opacity:1;" * 2000)
    ),
    "rules of a class": lambda: html(
        b"<style>%b</style>%b" % (b".a{opacity:0}" * 490, b"<b class=a>x</b>" * 1900)
    ),
    "soft line breaks": lambda: mail(b"text/plain", b"=\r\n", b"quoted-printable"),
    "base64 rubbish": lambda: mail(b"text/plain", b"!?*#", b"base64"),
    "random text": lambda: mail(b"text/plain", encodebytes(os.urandom(SIZE // 2)), b"base64"),
    "encoded words": lambda: HEAD.replace(b"Pump", b"=?utf-8?q?a?= " * 100_000) + b"\r\nHello",
    "encoded sender": lambda: HEAD.replace(b"Jo", b"=?utf-8?q?a?= " * 60_000) + b"\r\nHello",
    "recipients": lambda: header(b"To: " + b"Jo <jo@customers.example>, " * 180_000),
    "headers with recipients": lambda: header(b"Cc: Jo Runway <jo@customers.example>\r\n"),
}


def cost(raw: bytes) -> float:
    """Return the seconds of CPU that a mail costs."""
    began = time.process_time()
    with suppress(Unreadable):
        letter = read(raw)
        fold(letter.text, letter.subject)
    return time.process_time() - began


@cache
def ordinary() -> float:
    raw = mail(b"text/plain", LINE)
    return min(cost(raw) for _ in range(3))


@pytest.mark.parametrize("name", LETTERS)
def test_a_mail_of_5_megabytes_costs_little(name: str) -> None:
    raw = LETTERS[name]()
    # Other processes may slow down one measurement, but not all.
    assert any(cost(raw) <= FACTOR * ordinary() for _ in range(3))


def test_a_mail_of_many_parts_is_read_up_to_the_limit() -> None:
    part = b"Content-Type: text/plain\r\n\r\nHello"
    assert read(parts(part, count=MAX_PARTS - 10)).text.startswith("Hello\n\nHello")
    with pytest.raises(Unreadable, match=f"^The message has more than {MAX_PARTS} parts"):
        read(parts(part, count=MAX_PARTS))


def test_a_mail_keeps_the_first_headers() -> None:
    many = b"".join(b"X-%d: a\r\n" % n for n in range(3000))
    found = read(HEAD + b"X-A: 1\r\n" * 200 + many + b"\r\nHello").headers
    assert len(found) == 1000
    assert len(found["x-a"]) == 100
    assert found["subject"] == ("Pump",)
