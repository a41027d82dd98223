"""Send a mail once, and search the mailbox for a mail that may have been sent."""

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
from scrm.channels.email.people import readable
from scrm.channels.email.wire import Mailbox, Smtp, answer_text, mailbox, outbox
from scrm.net import http

SECONDS, LOOKUP_SECONDS = 60.0, 20.0
RETRY_SECONDS = 300.0
"""Seconds until a retry after a temporary refusal: after it, greylisting accepts the mail."""


class MailSpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:  # noqa: ARG002
        """Return "none", because nobody can look up whether an SMTP server accepted a mail.

        If a mail is not found in the mailbox, it may have been sent nevertheless.
        """
        return "none"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        letter = seal(credentials, outgoing)
        with outbox(credentials, until=time.monotonic() + SECONDS) as smtp:
            _send(smtp, letter)
        return Receipt(NETWORK, letter.id, letter.thread)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Search the Sent folders and the inbox for a mail.

        If the mail is not found, the result is CANNOT_TELL, because the mail may have been sent.
        """
        own, thread = identity(credentials, outgoing)
        with mailbox(credentials, until=time.monotonic() + LOOKUP_SECONDS) as box:
            if any(_contains(box, folder, own) for folder in _sent_folders(box)):
                return Receipt(NETWORK, own, thread)
        return Lookup.CANNOT_TELL


def _sent_folders(box: Mailbox) -> list[str]:
    sent = [folder.name for folder in box.folder.list() if "\\Sent" in folder.flags]
    return [*sent, "INBOX"]


def _contains(box: Mailbox, folder: str, own: str) -> bool:
    box.folder.set(folder, readonly=True)
    return bool(box.uids(f'HEADER Message-ID "<{own}>"'))


def _send(smtp: Smtp, letter: Sealed) -> None:
    """Send a mail. Raises ChannelError.

    A single dot ends the content of the mail. If an error occurs before this dot, nothing was sent.
    After the dot, only the answer of the server says whether the mail was accepted.
    """
    content = _dotted(letter.content)
    host = smtp.server.host
    try:
        _from(smtp, letter, len(content))
        # Before the content, so that nothing is sent if one of the recipients is refused.
        for address in dict.fromkeys((letter.to, *letter.copies)):
            _to(smtp, address)
        code, words = smtp.docmd("DATA")
        if code != 354:
            raise _refusal(code, words)
        smtp.send(content)
    except (smtplib.SMTPException, http.HttpError, OSError) as error:
        message = f"{host} closed the connection before it accepted the email: {error}"
        raise ChannelError(message) from error
    # Outside the try block: if an error occurs after the final dot, the mail may have been sent.
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
        raise _refusal(code, words)


def _from(smtp: Smtp, letter: Sealed, size: int) -> None:
    """Send MAIL FROM with the size, and with SMTPUTF8 if the mail needs it."""
    limit = smtp.esmtp_features.get("size", "")
    if limit.isdigit() and 0 < int(limit) < size:
        raise ChannelError(
            f"{smtp.server.host} accepts emails of {int(limit) / http.MEGABYTE:.0f} MB at most; "
            f"this one has {size / http.MEGABYTE:.0f}.",
            permanent=True,
        )
    argument = f"FROM:<{letter.sender}>" + (f" SIZE={size}" if smtp.has_extn("size") else "")
    if letter.needs_utf8:
        if not smtp.has_extn("smtputf8"):
            foreign = next((to for to in (letter.to, *letter.copies) if not to.isascii()), "")
            which = f"to {readable(foreign)}" if foreign else f"from {readable(letter.sender)}"
            raise ChannelError(
                f"Nothing was sent: {smtp.server.host} does not support SMTPUTF8. It cannot send "
                f"{which}, because the part before the @ is not in ASCII.",
                permanent=True,
            )
        smtp.command_encoding = "utf-8"
        argument += " SMTPUTF8"
    code, words = smtp.docmd("MAIL", argument)
    if code != 250:
        raise _refusal(code, words)


def _to(smtp: Smtp, to: str) -> None:
    code, words = smtp.docmd("RCPT", f"TO:<{to}>")
    if code not in (250, 251):
        raise _refusal(code, words, to)


def _refusal(code: int, words: bytes, to: str = "") -> ChannelError:
    """Return the error for an SMTP answer: a 5xx code is permanent, any other code is temporary.

    to: the recipient that was refused; "" if the answer concerns the whole mail.
    """
    answer = f"{readable(to)}: {answer_text(code, words)}" if to else answer_text(code, words)
    if 500 <= code < 600:
        return ChannelError(f"The mail server refused it: {answer}", permanent=True)
    return ChannelError(f"The mail server asks to retry later: {answer}", retry_after=RETRY_SECONDS)


def _dotted(content: bytes) -> bytes:
    """Prepare the content of a mail for the SMTP command DATA.

    All line ends become CRLF, and a dot at the start of a line is doubled. The final dot is not
    added.
    """
    content = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    # A line with a single dot would end the mail.
    content = re.sub(rb"(?m)^\.", b"..", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"
