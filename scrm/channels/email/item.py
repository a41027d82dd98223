"""Turn a mail into an item. If that is impossible, return an unreadable item with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from scrm.channels.base import AUTOMATIC, Author, Credentials, Item, UnreadableItem
from scrm.channels.email import ids
from scrm.channels.email.bounces import Returned, is_automatic, returned
from scrm.channels.email.bounded import read
from scrm.channels.email.ids import Ours, find_ours
from scrm.channels.email.parts import Unreadable, as_html
from scrm.channels.email.people import domain_of, mail_address, readable
from scrm.channels.email.quotes import Folded, fold, forwarded_mail
from scrm.channels.email.read import Letter
from scrm.channels.email.recipients import recipient_address
from scrm.channels.email.senders import Sender, is_shared, may_be_form, sender_of

NETWORK = "email"
KEPT_RAW = 256 * 1024
"""The number of bytes of the raw mail that are stored. Files and text are stored separately."""
MAX_FROM_ONE, WITHIN = 30, 600
"""The number of mails that one sender may send within so many seconds. Further mails come from a
faulty program."""
MAX_FOLDED = 100
"""A mail with more quoted passages is shown as a whole."""
_HEAD_LINES = 10
"""The first lines of a quotation, which name its author."""
_EARLY, _LATE = timedelta(days=7), timedelta(days=1)


def self_key(address: str) -> str:
    """Return the key of our own profile.

    A mail from outside never gets this key, even if its sender is our address, because anybody can
    state our address as the sender. Such a mail opens a case like any other mail.
    """
    return f"us:{mail_address(address)}"


def item(raw: bytes, *, came: datetime | None, credentials: Credentials) -> Item | UnreadableItem:
    """Turn a mail into an item.

    came: the time at which the mailbox received the mail, with a time zone.
    """
    try:
        letter = read(raw)
        # Bounces are recognised first, because a bounce must not become a message.
        back = returned(letter)
        if back:
            return _bounce(letter, back, raw, came)
        if ours := _ours(letter, credentials):
            author = Author(NETWORK, credentials.self_key, credentials.address)
            sent = _item(letter, author, raw, came, credentials)
            return replace(sent, key=ours.id, thread_key=ours.thread)
        authserv_id = str(credentials.config.get("authserv_id", ""))
        sender = sender_of(
            letter, NETWORK, mail_address(credentials.address), authserv_id=authserv_id
        )
        if sender is None:
            return UnreadableItem(raw[:KEPT_RAW], "The message has no sender.")
        found = _item(letter, sender.author, raw, came, credentials)
        is_certain = not (sender.person.other or sender.unverified)
        return found if is_certain else _isolated(found, letter, sender)
    except Unreadable as error:
        return UnreadableItem(raw[:KEPT_RAW], str(error))


def _ours(letter: Letter, credentials: Credentials) -> Ours | None:
    """Return the parsed Message-ID if we sent this mail from this mailbox, else None.

    Every recipient of our mail knows its Message-ID, so the sender's address is checked as well.
    """
    own = mail_address(credentials.address)
    if letter.sender is None or letter.sender.address != own:
        return None
    return ids.own_id(letter.message_id, domain_of(own))


def _item(
    letter: Letter, author: Author, raw: bytes, came: datetime | None, credentials: Credentials
) -> Item:
    folded = fold(letter.text, letter.subject)
    own = mail_address(credentials.address)
    quotes_us = _quotes_us(letter, folded, own)
    key = ids.key(letter.message_id, letter.digest)
    html = letter.html or (as_html(letter.text) if quotes_us and folded.quoted else "")
    places = () if quotes_us or len(folded.places) > MAX_FOLDED else folded.places
    return Item(
        scope=NETWORK,
        key=key,
        author=author,
        text=folded.new if quotes_us else letter.text,
        title=letter.subject,
        html=html,
        kind=AUTOMATIC if is_automatic(letter) else "message",
        visibility="private",
        occurred_at=_when(letter.date, came),
        thread_key=ids.thread(letter.message_id or letter.digest, letter.references, author.key),
        in_reply_to=_answered_id(letter),
        raw=raw[:KEPT_RAW],
        attachments=letter.files,
        details={"mail": _facts(letter, places, own)},
    )


def _forwarded_mail(letter: Letter, own: str) -> dict[str, str]:
    """Return the mail that a colleague forwards; an empty dict if there is none.

    A colleague has an address of our domain. Forwards from outside our domain are not trusted.
    """
    domain = own.rpartition("@")[2]
    colleague = letter.sender.address if letter.sender else ""
    if not colleague.endswith(f"@{domain}") or is_shared(domain):
        return {}
    found = forwarded_mail(letter.text, letter.subject)
    if found is None or found.sender.address in (own, colleague):
        return {}
    sender = found.sender
    return {
        "address": sender.address, "name": sender.name, "title": found.subject, "text": found.text,
    }  # fmt: skip


def _quotes_us(letter: Letter, folded: Folded, own: str) -> bool:
    """Return whether the quoted text is our own, so that it is not new to us.

    Any other quotation is new to us: topics, rules and the search must read it.
    """
    if any(find_ours(reference) for reference in letter.references):
        return True
    # A web form sends what somebody typed, often with lines like From and Subject.
    if letter.sender is None or may_be_form(letter.sender.address, own):
        return False
    head = folded.quoted.lower().splitlines()[:_HEAD_LINES]
    return any(own in line for line in head)


def _facts(letter: Letter, folded: Sequence[tuple[int, int]], own: str) -> dict[str, Any]:
    """Return the facts of a mail as `crm.interaction_details.MailDetails` reads them.

    folded: the places of quoted passages in the text. own: the address of the mailbox.
    """
    facts = {
        "to": [[person.address, person.name] for person in letter.to],
        "cc": [[person.address, person.name] for person in letter.cc],
        "recipient_address": recipient_address((*letter.to, *letter.cc), letter.headers, own),
        "folded": [list(place) for place in folded],
        "forwarded_mail": _forwarded_mail(letter, own),
    }
    return {name: value for name, value in facts.items() if value}


def _isolated(found: Item, letter: Letter, sender: Sender) -> Item:
    """Return a copy of the item that does not join mails of other people.

    This is needed if the sender's name contains another address, or if the sender is unverified.
    The copy counts as an answer to none of our mails. It shares a thread only with mails from the
    same address.
    """
    own = letter.message_id or letter.digest
    thread = ids.own_thread(own, letter.references, found.author.key)
    mail = found.details["mail"]
    if sender.unverified:
        mail = mail | {"unverified": sender.unverified, "via": sender.via}
    other = readable(sender.person.other) if sender.person.other else ""
    return replace(
        found, thread_key=thread, in_reply_to="", other_address=other, details={"mail": mail}
    )


def _answered_id(letter: Letter) -> str:
    """Return the Message-ID of the mail that was answered; "" if there is none.

    If the mail refers to one of our mails, the Message-ID of our mail is returned. Otherwise the
    last entry of `references` is returned, which is usually In-Reply-To.
    """
    for reference in reversed(letter.references):
        if found := find_ours(reference):
            return found.id
    return letter.references[-1] if letter.references else ""


def _when(written: datetime | None, came: datetime | None) -> datetime | None:
    """Return the time at which a mail was written, or else the time of its arrival.

    The time `written` is returned if it is at most seven days before and at most one day after the
    arrival, or if the time of the arrival is not known.
    written: the time that the mail states. came: the time at which the mailbox received the mail.
    """
    if came is None or (written and came - _EARLY <= written <= came + _LATE):
        return written
    return came


def _bounce(letter: Letter, back: Returned, raw: bytes, came: datetime | None) -> Item:
    return Item(
        scope=NETWORK,
        key=ids.key(letter.message_id, letter.digest),
        author=Author(NETWORK, back.recipient, handle=readable(back.recipient)),
        text=back.reason,
        title=letter.subject,
        kind=back.kind,
        visibility="private",
        occurred_at=_when(letter.date, came),
        thread_key=back.ours.thread if back.ours else "",
        in_reply_to=back.ours.id if back.ours else "",
        raw=raw[:KEPT_RAW],
        details={"recipients": [back.recipient, *back.others]} if back.others else {},
    )


@dataclass
class Pace:
    """Counts the recent mails of each sender. The source's cursor keeps the counts between fetches.

    senders: address → [number of mails, start of the count as a Unix time], as JSON stores it.
    """

    senders: dict[str, list[float]]

    @classmethod
    def of(cls, kept: Any) -> Pace:
        return cls({k: list(v) for k, v in kept.items()} if isinstance(kept, Mapping) else {})

    def count(self, found: Item, came: datetime | None) -> tuple[Item, str]:
        """Count a mail; return the mail and a warning.

        If the sender has exceeded the limit, the mail is returned as an automatic answer. The first
        mail above the limit has a warning; the warning of every other mail is "".
        """
        if found.kind != "message" or came is None:
            return found, ""
        now = came.timestamp()
        number, since = self.senders.get(found.author.key, [0.0, now])
        if not 0 <= now - since <= WITHIN:
            number, since = 0.0, now
        number += 1
        self.senders[found.author.key] = [number, since]
        if number <= MAX_FROM_ONE:
            return found, ""
        warning = (
            f"{found.author.key} sent more than {MAX_FROM_ONE} emails within "
            f"{WITHIN // 60} minutes. Further emails are kept without opening cases."
        )
        return replace(found, kind=AUTOMATIC), warning if number == MAX_FROM_ONE + 1 else ""

    @property
    def kept(self) -> dict[str, list[float]]:
        """The counts of senders with more than one recent mail, to be kept for the next fetch."""
        latest = max((since for _, since in self.senders.values()), default=0.0)
        often = [
            (address, seen)
            for address, seen in self.senders.items()
            if seen[0] > 1 and latest - seen[1] <= WITHIN
        ]
        return dict(sorted(often, key=lambda pair: -pair[1][0])[:200])
