"""Read the recipients of a mail: the people in To and Cc, and our own address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from scrm.channels.email.headers import Headers
from scrm.channels.email.people import Person, mail_address, outside_quotes

MAX_RECIPIENTS = 200
"""The number of recipients of a mail that are kept."""
LONGEST_LIST = 50_000
"""The number of characters of a list that are read."""
_SEPARATOR = re.compile(r"<[^<>]*>|[,;:]")
_DELIVERED = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "x-delivered-to")
"""Headers in which mail servers state to which address they delivered a mail."""


def list_pieces(header: str) -> Iterator[str]:
    """Yield the text of each address in a header such as To, with its name.

    Commas and semicolons separate addresses, but not inside of quotation marks or brackets, and not
    in a name without quotation marks such as “Fly, Kim <kim@…>”. The names of groups are left out.
    """
    header = header[:LONGEST_LIST]
    outside = outside_quotes(header)
    start = 0
    for mark in _SEPARATOR.finditer(outside):
        if mark[0][0] == "<":
            continue
        if mark[0] == ":":
            start = mark.end()
        elif "@" in header[start : mark.start()]:
            yield header[start : mark.start()].strip()
            start = mark.end()
        elif mark[0] == ";":
            start = mark.end()
    if "@" in header[start:]:
        yield header[start:].strip()


def first_pieces(header: str) -> list[str]:
    return list(islice(list_pieces(header), MAX_RECIPIENTS))


def recipient_address(recipients: Sequence[Person], headers: Headers, own: str) -> str:
    """Return our address that received a mail, in the form of `mail_address`.

    The first of these is returned: the address of the mailbox, with or without a suffix such as
    care+orders@…, in To or Cc; the address in X-Original-To; an address of our domain in To or Cc;
    the address in Delivered-To or a similar header; the address of the mailbox.
    recipients: the people in To and Cc. own: the address of the mailbox.
    """
    local, _, domain = own.rpartition("@")
    named = [person.address for person in recipients]
    for address in named:
        if address == own or (address.startswith(f"{local}+") and address.endswith(f"@{domain}")):
            return address
    original, *delivered = (_addresses(headers, name) for name in _DELIVERED)
    stated = [address for addresses in delivered for address in addresses]
    candidates = [*original, *(each for each in named if each.rpartition("@")[2] == domain)]
    return next(iter([*candidates, *stated]), own)


def _addresses(headers: Headers, name: str) -> list[str]:
    found = (mail_address(value) for value in headers.get(name, ())[:5])
    return [address for address in found if address]
