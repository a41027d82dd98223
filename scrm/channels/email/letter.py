"""Build the bytes of a mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, unquote

from scrm.channels.base import ChannelError, Credentials, File, Outgoing
from scrm.channels.email import ids
from scrm.channels.email.people import address_of, domain_of, sendable

MAX_REFERENCES = 20
_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A mail that is ready to be sent.

    id: the Message-ID of the mail, without brackets.
    sender, to, copies: the addresses in the form in which the mail server gets them.
    needs_utf8: whether the server must support SMTPUTF8 (RFC 6531), because the part before the @
    of an address is not ASCII.
    """

    id: str
    thread: str
    sender: str
    to: str
    content: bytes
    copies: tuple[str, ...] = ()
    needs_utf8: bool = False


def identity(credentials: Credentials, outgoing: Outgoing) -> tuple[str, str]:
    """Return the Message-ID and the thread key, which are the same at every attempt to send."""
    thread = ids.token(outgoing.thread_key or outgoing.nonce)
    return ids.our_id(outgoing.nonce, thread, domain_of(credentials.address)), thread


def seal(credentials: Credentials, outgoing: Outgoing) -> Sealed:
    """Build the mail. Raises ChannelError if one of the addresses is invalid."""
    own, thread = identity(credentials, outgoing)
    sender, to = _on_the_wire(credentials.address), _on_the_wire(address_of(outgoing.destination))
    copies = tuple(_on_the_wire(address) for address in outgoing.copies)
    # The other policy would turn a local part that is not ASCII into an encoded word.
    needs_utf8 = not "".join((sender, to, *copies)).isascii()
    message = EmailMessage(policy=policy.SMTPUTF8 if needs_utf8 else policy.SMTP)
    name = str(credentials.config.get("name", ""))
    local, _, domain = sender.rpartition("@")
    # Not formataddr, which raises an error for an address outside ASCII.
    message["From"] = str(Address(name, unquote(local), domain)) if name else sender
    message["To"] = to
    if copies:
        message["Cc"] = ", ".join(copies)
    message["Subject"] = subject(outgoing, name or sender)
    message["Date"] = formatdate()
    text = signed(outgoing.text, str(credentials.config.get("signature", "")))
    message.set_content(text, cte=_encoding(text))
    for file in outgoing.attachments:
        _attach(message, file)
    head = _ids(own, outgoing)
    return Sealed(own, thread, sender, to, head + message.as_bytes(), copies, needs_utf8)


def _on_the_wire(address: str) -> str:
    """Return the address with its domain in ASCII. Raises ChannelError if it is invalid."""
    try:
        return sendable(address)
    except ValueError as error:
        raise ChannelError(f"Nothing was sent: {error}.", permanent=True) from error


def subject(outgoing: Outgoing, whose: str) -> str:
    """Return the subject that staff wrote, or else “Re:” and the subject of the answered mail.

    whose: the name of our sender, for a mail that has no subject and answers no mail.
    """
    if outgoing.subject:
        return one_line(outgoing.subject)
    bare = re.sub(r"(?i)^(?:\s*(?:re|aw|sv|antw|ant|wg)\s*:\s*)+", "", one_line(outgoing.about))
    return f"Re: {bare}" if outgoing.in_reply_to or bare else f"A message from {whose}"


def one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def signed(text: str, signature: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    return f"{text}\n\n-- \n{signature.strip()}\n" if signature.strip() else f"{text}\n"


def _encoding(text: str) -> str:
    """Return the content transfer encoding for a text.

    ASCII text with short lines is sent as it is. All other texts need an encoding that wraps their
    lines.
    """
    if text.isascii():
        return "7bit" if max(map(len, text.split("\n"))) <= 900 else "quoted-printable"
    foreign = sum(not sign.isascii() for sign in text)
    return "base64" if foreign > len(text) // 6 else "quoted-printable"


def _attach(message: EmailMessage, file: File) -> None:
    kind = file.content_type.lower()
    # Nobody has checked the type. MIME does not allow base64 for message/ and multipart/.
    kind = kind if _TYPE.fullmatch(kind) and not kind.startswith(("message/", "multipart/")) else ""
    main, _, sub = (kind or "application/octet-stream").partition("/")
    message.add_attachment(
        file.content, maintype=main, subtype=sub, filename=file.name, cte="base64"
    )


def _ids(own: str, outgoing: Outgoing) -> bytes:
    """Return the headers that contain Message-IDs.

    The `email` package is not used for these headers, because it would encode a long Message-ID.
    """
    answered = ids.id_of(outgoing.in_reply_to)
    references = [ids.id_of(key) for key in outgoing.references]
    named = [message_id for message_id in references if message_id not in ("", own)]
    chain = list(
        dict.fromkeys([*(message_id for message_id in named if message_id != answered), answered])
    )
    lines = [f"Message-ID: <{own}>"]
    if answered:
        lines.append(f"In-Reply-To: <{answered}>")
    if chain := [message_id for message_id in chain if message_id]:
        lines.append(
            "References: " + "\r\n ".join(f"<{message_id}>" for message_id in _shortened(chain))
        )
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _shortened(chain: Sequence[str]) -> Sequence[str]:
    """Return the Message-IDs for the header References, at most MAX_REFERENCES.

    If the chain is too long, Message-IDs after the first are left out. The first Message-ID is
    kept, because it names the thread. The last Message-IDs of the chain follow it.
    """
    if len(chain) <= MAX_REFERENCES:
        return chain
    return [chain[0], *chain[-MAX_REFERENCES + 1 :]]
