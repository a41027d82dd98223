"""Send a mail, once, and look for one that may have been sent."""

from __future__ import annotations

import re
import smtplib
import time

from scrm.channels.base import (
    ChannelError,
    Credentials,
    Idempotence,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.channels.email.item import NETWORK
from scrm.channels.email.letter import Sealed, identity, seal
from scrm.channels.email.wire import Mailbox, Smtp, mailbox, outbox, told
from scrm.net import http

SECONDS, LOOKUP_SECONDS = 60.0, 20.0
COME_LATER = 300.0
"""Seconds until a retry after a temporary refusal: greylisting accepts it after that time."""


class MailSpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:  # noqa: ARG002
        """SMTP cannot tell what it accepted: a mail that is not found may still be on its way."""
        return "none"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        letter = seal(credentials, outgoing)
        with outbox(credentials, until=time.monotonic() + SECONDS) as smtp:
            _send(smtp, letter)
        return Receipt(NETWORK, letter.id, letter.thread)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Look in the folders for sent mail; if it is not there, nothing is proved."""
        own, thread = identity(credentials, outgoing)
        with mailbox(credentials, until=time.monotonic() + LOOKUP_SECONDS) as box:
            if any(_lies_in(box, folder, own) for folder in _where_sent(box)):
                return Receipt(NETWORK, own, thread)
        return Lookup.CANNOT_TELL


def _where_sent(box: Mailbox) -> list[str]:
    sent = [each.name for each in box.folder.list() if "\\Sent" in each.flags]
    return [*sent, "INBOX"]


def _lies_in(box: Mailbox, folder: str, own: str) -> bool:
    box.folder.set(folder, readonly=True)
    return bool(box.uids(f'HEADER Message-ID "<{own}>"'))


def _send(smtp: Smtp, letter: Sealed) -> None:
    """Send a mail. Before the final dot nothing was sent; after it only the answer tells."""
    content = _dotted(letter.content)
    host = smtp.server.host
    try:
        _from(smtp, letter.sender, letter.to, len(content))
        _to(smtp, letter.to)
        code, words = smtp.docmd("DATA")
        if code != 354:
            raise _no(code, words)
        smtp.send(content)
    except (smtplib.SMTPException, http.HttpError, OSError) as error:
        said = f"{host} closed the connection before it accepted the email: {error}"
        raise ChannelError(said) from error
    # Outside the try: from the final dot on, an error no longer means that nothing was sent.
    _end(smtp)


def _end(smtp: Smtp) -> None:
    try:
        smtp.send(b".\r\n")
        code, words = smtp.getreply()
    except (smtplib.SMTPException, http.HttpError, OSError) as error:
        raise ChannelError(
            f"{smtp.server.host} received the whole email but did not confirm it: {error}",
            uncertain=True,
        ) from error
    if code != 250:
        raise _no(code, words)


def _from(smtp: Smtp, sender: str, to: str, size: int) -> None:
    """Send MAIL FROM with the size, and with SMTPUTF8 if an address needs more than ASCII."""
    limit = smtp.esmtp_features.get("size", "")
    if limit.isdigit() and 0 < int(limit) < size:
        raise ChannelError(
            f"{smtp.server.host} accepts emails of {int(limit) / http.MEGABYTE:.0f} MB at most; "
            f"this one has {size / http.MEGABYTE:.0f}.",
            permanent=True,
        )
    said = f"FROM:<{sender}>" + (f" SIZE={size}" if smtp.has_extn("size") else "")
    if not (said + to).isascii():
        if not smtp.has_extn("smtputf8"):
            message = f"{smtp.server.host} cannot send to the address {to}."
            raise ChannelError(message, permanent=True)
        smtp.command_encoding = "utf-8"
        said += " SMTPUTF8"
    code, words = smtp.docmd("MAIL", said)
    if code != 250:
        raise _no(code, words)


def _to(smtp: Smtp, to: str) -> None:
    code, words = smtp.docmd("RCPT", f"TO:<{to}>")
    if code not in (250, 251):
        raise _no(code, words)


def _no(code: int, words: bytes) -> ChannelError:
    """Return the error of an answer: 5xx is permanent, anything else is temporary."""
    said = told(code, words)
    if 500 <= code < 600:
        return ChannelError(f"The mail server refused it: {said}", permanent=True)
    return ChannelError(f"The mail server asks to retry later: {said}", retry_after=COME_LATER)


def _dotted(content: bytes) -> bytes:
    """Prepare content for DATA: CRLF throughout, dots doubled, without the final dot."""
    content = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    content = re.sub(rb"(?m)^\.", b"..", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"
