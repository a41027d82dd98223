"""Fetch one file of a mail that was too large to be fetched whole, when a user asks for it."""

from __future__ import annotations

import re
import time
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from typing import BinaryIO

from imap_tools.errors import MailboxFolderSelectError

from scrm.channels.base import Credentials
from scrm.channels.email import ids
from scrm.channels.email.oversize import parts_of
from scrm.channels.email.wire import Mailbox, MailError, can_open, mailbox, validity_of
from scrm.channels.missing_file import MAX_SIZE, MissingFile, MissingFiles
from scrm.channels.unreadable import UNREADABLE
from scrm.net.http import MEGABYTE

SECONDS = 60.0
"""Less than the soft time limit of a task."""
CHUNK = MEGABYTE
_MAX_FOLDERS, _MAX_ALIKE = 100, 20
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
GONE = (
    "This email is no longer in the mailbox, so the file cannot be fetched. "
    "Ask the sender to send it again."
)
NOT_AT_ITS_PLACE = (
    "This email was moved or deleted, so the file cannot be fetched. "
    "Look for it in the mailbox, or ask the sender to send it again."
)
"""For a mail without a Message-ID, which cannot be found again."""
TOO_LARGE = f"The file is larger than {MAX_SIZE // MEGABYTE} MB. Open it in the mailbox."
SHORT = "The mail server sent only a part of the file. Fetch it again later."


def fetch_file(
    credentials: Credentials, missing: MissingFiles, section: str, key: str, out: BinaryIO
) -> None:
    """Write the decoded content of one file to `out`; see `FetchFile`. Raises MailError.

    The mail is found by its UID. If the mailbox was renumbered or the mail was moved, it is found
    by its Message-ID and its size. Nothing in the mailbox changes.
    """
    file = next(each for each in missing.files if each.section == section)
    if file.is_too_large:
        raise MailError(TOO_LARGE, permanent=True)
    with mailbox(credentials, until=time.monotonic() + SECONDS) as box:
        message_id = ids.id_of(key)
        uid = _find(box, missing, file, message_id)
        if uid is None:
            raise MailError(GONE if message_id else NOT_AT_ITS_PLACE, permanent=True)
        _copy(box, uid, file, out)


def _find(box: Mailbox, missing: MissingFiles, file: MissingFile, message_id: str) -> int | None:
    """Open the folder of the mail and return its UID; None if it is in no folder."""
    names = [each.name for each in box.folder.list() if can_open(each.flags)]
    names.sort(key=lambda name: name != missing.folder)
    for name in names[:_MAX_FOLDERS]:
        try:
            box.folder.set(name, readonly=True)
        except MailboxFolderSelectError:
            continue  # The server lists folders that this user may not open.
        is_place = name == missing.folder and validity_of(box, name) == missing.validity
        if is_place and _has(box, missing.uid, missing, file):
            return missing.uid
        for uid in _named(box, message_id):
            if _has(box, uid, missing, file):
                return uid
    return None


def _named(box: Mailbox, message_id: str) -> list[int]:
    """Return the UIDs of the newest mails with this Message-ID."""
    if not message_id:
        return []
    quoted = message_id.replace("\\", "\\\\").replace('"', '\\"')
    found = box.uids(f'HEADER Message-ID "<{quoted}>"')
    return sorted((int(uid) for uid in found), reverse=True)[:_MAX_ALIKE]


def _has(box: Mailbox, uid: int, missing: MissingFiles, file: MissingFile) -> bool:
    """Return whether this mail has the size of the mail, and the file where it was."""
    _, lines = box.client.uid("FETCH", str(uid), "(UID RFC822.SIZE)")
    sizes = (_SIZE.search(line) for line in lines if isinstance(line, bytes))
    if not any(size and int(size[1]) == missing.size for size in sizes):
        return False
    try:
        parts = parts_of(box, uid)
    except UNREADABLE:
        return False
    return (file.section, file.size) in {(part.section or "TEXT", part.size) for part in parts}


def _copy(box: Mailbox, uid: int, file: MissingFile, out: BinaryIO) -> None:
    decoder = _Decoder(file.encoding)
    total = 0
    for chunk in _chunks(box, uid, file.section):
        total += len(chunk)
        if total > MAX_SIZE:
            raise MailError(TOO_LARGE, permanent=True)
        out.write(decoder.decode(chunk))
    if total < file.size:
        raise MailError(SHORT)
    out.write(decoder.decode(b"", is_last=True))


def _chunks(box: Mailbox, uid: int, section: str) -> Iterator[bytes]:
    """Yield the content of a section, as it is encoded, in pieces of `CHUNK` bytes."""
    start = 0
    while True:
        what = f"(UID BODY.PEEK[{section}]<{start}.{CHUNK}>)"
        _, lines = box.client.uid("FETCH", str(uid), what)
        chunk = next((line[1] for line in lines if isinstance(line, tuple)), b"")
        if chunk:
            yield chunk
        if len(chunk) < CHUNK:
            return
        start += len(chunk)


class _Decoder:
    """Decodes a content transfer encoding piece by piece; other encodings stay as they are."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding.lower()
        self.rest = b""

    def decode(self, chunk: bytes, *, is_last: bool = False) -> bytes:
        if self.encoding == "base64":
            whole = self.rest + _NO_BASE64.sub(b"", chunk)
            end = len(whole) if is_last else len(whole) // 4 * 4
            self.rest = whole[end:]
            return _base64(whole[:end])
        if self.encoding == "quoted-printable":
            whole = self.rest + chunk
            end = len(whole) if is_last else whole.rfind(b"\n") + 1
            self.rest = whole[end:]
            return a2b_qp(whole[:end])
        return chunk


def _base64(text: bytes) -> bytes:
    """Decode base64. If the last group of four characters is incomplete, it is left out."""
    try:
        return a2b_base64(text)
    except Error:
        return a2b_base64(text.rstrip(b"=")[: len(text.rstrip(b"=")) // 4 * 4])
