"""Read the new mails of a mailbox by IMAP. Nothing in the mailbox changes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from html import escape
from imaplib import IMAP4, Internaldate2tuple

from scrm.channels.base import (
    BOUNCE,
    NOTICE,
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Found,
    Item,
    Json,
    UnreadableItem,
)
from scrm.channels.email.item import KEPT_RAW, Pace, item
from scrm.channels.email.oversize import Partial, fetch_without_files
from scrm.channels.email.wire import Mailbox, MailError, can_open, mailbox, validity_of
from scrm.channels.missing_file import MissingFiles
from scrm.channels.unreadable import UNREADABLE
from scrm.net import http

FOLDER = "INBOX"
SECONDS = 55.0
MAX_LETTERS, MAX_BYTES = 100, 64 * http.MEGABYTE
LARGEST = 36 * http.MEGABYTE
"""The size of the largest mail that is fetched whole: 25 MB of files are 34 MB in a mail."""
HISTORY = timedelta(days=30)
"""The age limit for mails that arrived before the mailbox was connected."""
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A mail in the mailbox that is not read yet.

    came: the time at which the mailbox received the mail.
    """

    uid: int
    size: int
    came: datetime | None


class MailListener:
    def listen(self, request: FetchRequest) -> Batch:
        """Fetch up to a hundred mails, oldest first.

        The cursor contains the UIDVALIDITY of the folder, the UID of the last mail, and the first
        day to read (`since`). If UIDVALIDITY has changed, all mails since that day are read again.
        The stored mails are then recognised by their keys.
        """
        account = _ours(request.credentials)
        until = time.monotonic() + SECONDS
        with mailbox(account, until=until, folder=request.address) as box:
            validity = validity_of(box, request.address)
            since = str(request.cursor.get("since") or (_today() - HISTORY).isoformat())
            same = request.cursor.get("validity") == validity
            last = int(request.cursor.get("uid", 0)) if same else 0
            uids = _uids(box, last, date.fromisoformat(since))
            waiting = _first_mails(_facts(box, uids[:MAX_LETTERS]))
            cursor = {"validity": validity, "uid": last, "since": since}
            cursor |= {"pace": request.cursor.get("pace", {})}
            place = MissingFiles(request.address, validity)
            return _read(box, waiting, account, cursor, uids, place, until=until)

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:  # noqa: ARG002
        """Return the folders of our mailbox, the inbox first."""
        account = _ours(credentials)
        with mailbox(account, until=time.monotonic() + SECONDS / 4) as box:
            names = [each.name for each in box.folder.list() if can_open(each.flags)]
        names.sort(key=lambda name: (name.upper() != FOLDER, name))
        return [Found(name, f"{account.address}: {name}", "folder") for name in names[:100]]


def _ours(credentials: Credentials | None) -> Credentials:
    if credentials is None:
        raise ChannelError("A mailbox source needs an account, and none is set.", permanent=True)
    return credentials


def _today() -> date:
    return datetime.now(UTC).date()


def _uids(box: Mailbox, last: int, since: date) -> list[int]:
    """Return the UIDs of the new mails, in the order of arrival.

    last: the last UID that was read. If it is 0, the mails since the day `since` are new.
    """
    day = f"{since.day:02}-{_MONTHS[since.month - 1]}-{since.year}"
    # A range up to * includes the last mail even if its UID is lower than the start of the range.
    asked = f"UID {last + 1}:*" if last else f"SINCE {day}"
    return sorted({uid for number in box.uids(asked) if (uid := int(number)) > last})


def _facts(box: Mailbox, uids: Sequence[int]) -> list[_Waiting]:
    if not uids:
        return []
    named = ",".join(str(uid) for uid in uids)
    _, lines = box.client.uid("FETCH", named, "(UID RFC822.SIZE INTERNALDATE)")
    found = {waiting.uid: waiting for line in lines if (waiting := _fact(line))}
    return [found.get(uid, _Waiting(uid, 0, None)) for uid in uids]


def _fact(line: object) -> _Waiting | None:
    line = line[0] if isinstance(line, tuple) else line
    if not isinstance(line, bytes) or not (uid := _UID.search(line)):
        return None
    size = _SIZE.search(line)
    return _Waiting(int(uid[1]), int(size[1]) if size else 0, _arrival(line))


def _arrival(line: bytes) -> datetime | None:
    """Return the time at which the server says that the mail arrived; None if it is no time."""
    try:
        came = Internaldate2tuple(line)
        return datetime.fromtimestamp(time.mktime(came), UTC) if came else None
    except UNREADABLE:
        return None


def _first_mails(waiting: list[_Waiting]) -> list[_Waiting]:
    """Return as many of the first mails as fit into MAX_BYTES, but at least one mail."""
    total, few = 0, list[_Waiting]()
    for mail in waiting:
        total += min(mail.size, LARGEST)
        if few and total > MAX_BYTES:
            break
        few.append(mail)
    return few


def _read(
    box: Mailbox,
    waiting: list[_Waiting],
    account: Credentials,
    cursor: Json,
    uids: list[int],
    place: MissingFiles,
    *,
    until: float,
) -> Batch:
    """Read the mails one by one.

    place: the folder and its UIDVALIDITY. After the time `until`, the next fetch reads the others.

    If the connection breaks, the mails that were read before are returned. If no mail was read
    before, the error is raised.
    """
    pace, size = Pace.of(cursor.get("pace")), 0
    found: list[Item | UnreadableItem] = []
    last, is_interrupted = int(cursor["uid"]), False
    for mail in waiting:
        if found and time.monotonic() >= until:
            break
        try:
            fetched = _fetch(box, mail)
        except (MailError, http.HttpError, OSError, IMAP4.error):
            # No mail was read yet: without an error the source would not show that its fetches
            # fail.
            if last == int(cursor["uid"]):
                raise
            is_interrupted = True
            break
        found += _items(fetched, mail, account, pace, place)
        last, size = mail.uid, size + len(fetched.raw)
    more = bool(uids) and last < uids[-1] and not is_interrupted
    return Batch(
        items=tuple(item for item in found if isinstance(item, Item)),
        cursor={**cursor, "uid": last, "pace": pace.kept},
        unchanged=not waiting,
        next_after=0.0 if more else None,
        unreadable=tuple(item for item in found if isinstance(item, UnreadableItem)),
        size=size,
    )


def _fetch(box: Mailbox, mail: _Waiting) -> Partial:
    """Return a mail; without its large files if it is too large. It is b"" if it was deleted."""
    if mail.size > LARGEST:
        return fetch_without_files(box, mail.uid, mail.size)
    # PEEK: a plain BODY would mark the mail as read.
    _, lines = box.client.uid("FETCH", str(mail.uid), "(UID BODY.PEEK[])")
    return Partial(next((line[1] for line in lines if isinstance(line, tuple)), b""))


def _items(
    fetched: Partial, mail: _Waiting, account: Credentials, pace: Pace, place: MissingFiles
) -> Iterator[Item | UnreadableItem]:
    """Yield the item of a mail, and before it a warning if the sender has exceeded the limit.

    If the server does not describe the parts of a mail that is too large, an unreadable item is
    yielded. If the mail was deleted, nothing is yielded.
    """
    if not fetched.raw:
        return
    if mail.size > LARGEST and not fetched.left_out:
        megabytes = mail.size / http.MEGABYTE
        most = LARGEST // http.MEGABYTE
        reason = f"It has {megabytes:.0f} MB; the limit is {most}. It is still in the mailbox."
        yield UnreadableItem(fetched.raw[:KEPT_RAW], reason)
        return
    found = item(fetched.raw, came=mail.came, credentials=account)
    if isinstance(found, Item):
        missing = replace(place, uid=mail.uid, size=mail.size, files=fetched.files)
        found, warning = pace.count(_with_note(found, fetched.left_out, missing), mail.came)
        if warning:
            yield UnreadableItem(b"", warning)
    yield found


def _with_note(found: Item, note: str, missing: MissingFiles) -> Item:
    """Return the item with a note at the end of its text, and with its missing files.

    A bounce gets no note, because its text is the reason of the failure.
    """
    if not note or found.kind in (BOUNCE, NOTICE):
        return found
    html = found.html and f"{found.html}<p>[{escape(note)}]</p>"
    details = dict(found.details)
    if missing.files and "mail" in details:
        details["mail"] = details["mail"] | {"missing_files": missing.stored()}
    text = f"{found.text}\n\n[{note}]".strip()
    return replace(found, text=text, html=html, details=details)
