"""The interface between scrm and a network: frozen dataclasses, protocols, one error type.

A channel reads items (`Listener`), sends texts (`Speaker`), or both. Neither uses a model: a fetch
passes a `FetchRequest` and gets a `Batch`; a delivery passes an `Outgoing` and gets a `Receipt`. A
channel whose accounts have a login has a `Connector`: it gets what an admin typed and returns
`Connected`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Any, ClassVar, Literal, Protocol

from django import forms
from django.utils.functional import Promise

from scrm.text.clean import storable

Visibility = Literal["public", "private"]
Json = Mapping[str, Any]


class ChannelError(Exception):
    """The network refused, failed, or did not answer. Contains what the caller needs to decide.

    message: one sentence in plain English for the source's health or the failed delivery.
    permanent: retrying unchanged cannot help (404, wrong password, text refused).
    retry_after: seconds the network asked us to wait, or None.
    uncertain: only for sends: the network may have accepted it although we got no answer.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        uncertain: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.uncertain = uncertain


@dataclass(frozen=True, slots=True)
class Credentials:
    """Our own account on a channel, as channels see it: no database row, no session.

    network: the network's name, the first half of every profile key ("sandbox.microblog").
    self_key: the stable key of our own profile there; "" if we have none.
    """

    network: str
    self_key: str = ""
    address: str = ""
    secrets: Json = field(default_factory=dict, repr=False)
    config: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Author:
    """An outside party as the network names it. `key` is stable; handle and name are not."""

    network: str
    key: str
    handle: str = ""
    name: str = ""
    url: str = ""
    reach: int | None = None

    def __post_init__(self) -> None:
        _make_storable(self)


AUTOMATIC, BOUNCE, NOTICE = "automatic answer", "bounce", "delivery notice"
"""Kinds of items that no human wrote.

An automatic answer is recorded but opens no case. A bounce reports that a message of ours was
returned, a notice that it is late. Their `author` is the recipient that was not reached,
`in_reply_to` is the key of our message, "" if unknown, and `text` is the reason that the other
server gave.
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file that comes with an item or is sent with a text. content_type: as the sender claims."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """One item found on a network. NUL and lone surrogates are removed from its strings here.

    scope, key: identity; a second item with the same pair is the same item, whatever source found
    it. `scope` is the widest space in which `key` is unique.
    thread_key, in_reply_to: keys in the same scope; "" if there is no thread or parent.
    text: plain, extracted once; spans of hits are code-point offsets into `title` and `text`.
    html: already sanitised with `scrm.text.clean.clean`. raw: the bytes as received.
    occurred_at: aware, as the network states it; may be None or absurd, so never order by it alone.
    other_address: an address in the sender's name that is not the sender's own. Such an item joins
    no conversation and no case of another person, and staff are warned.
    """

    scope: str
    key: str
    author: Author
    text: str
    title: str = ""
    html: str = ""
    url: str = ""
    kind: str = "post"
    visibility: Visibility = "public"
    occurred_at: datetime | None = None
    thread_key: str = ""
    in_reply_to: str = ""
    language: str = ""
    raw: bytes = b""
    attachments: tuple[File, ...] = ()
    other_address: str = ""

    def __post_init__(self) -> None:
        _make_storable(self)


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One fetch of one source: the address, our credentials, and the cursor of the last fetch."""

    address: str
    cursor: Json = field(default_factory=dict)
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """Something found that could not be read as an item: its raw bytes and the reason."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of a fetch.

    cursor: JSON, opaque to all but the listener; stored with the items, in one transaction.
    unchanged: true if the network or a hash shows that nothing is new.
    next_after: seconds the network asks us to wait, or None; 0 if it has more new items.
    """

    items: tuple[Item, ...] = ()
    cursor: Json = field(default_factory=dict)
    unchanged: bool = False
    next_after: float | None = None
    unreadable: tuple[UnreadableItem, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One address that a listener can fetch, as discovery shows it to a user."""

    address: str
    title: str
    kind: str = ""
    items: tuple[Item, ...] = ()


class Listener(Protocol):
    def listen(self, request: FetchRequest) -> Batch:
        """Fetch the items since `request.cursor`, outside a transaction. Raises ChannelError."""
        ...

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        """Return what can be fetched at an address that a user typed. Raises ChannelError."""
        ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text on its way to one destination.

    nonce: the idempotency key; made and stored before the first attempt, the same at each.
    destination: a profile key for one person, "" for the public.
    in_reply_to, thread_key: keys in the network's scope, "" for a new thread.
    about: the title of the answered item. references: keys of all earlier items of the thread.
    """

    nonce: str
    text: str
    subject: str = ""
    destination: str = ""
    handle: str = ""
    in_reply_to: str = ""
    thread_key: str = ""
    visibility: Visibility = "private"
    about: str = ""
    references: tuple[str, ...] = ()
    attachments: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The network's confirmation that it accepted our text: the identity it will have there."""

    scope: str
    key: str
    thread_key: str = ""
    url: str = ""


class Lookup(Enum):
    """The answer of `Speaker.find` if it cannot return a receipt."""

    ABSENT = "surely absent"
    CANNOT_TELL = "cannot tell"


Idempotence = Literal["key", "lookup", "none"]


class Speaker(Protocol):
    def idempotence(self, credentials: Credentials) -> Idempotence:
        """How a send can be repeated safely.

        key: a second send with the same nonce is the same send. lookup: `find` can tell.
        """
        ...

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        """Send the text once. Raises ChannelError, with `uncertain` if it may have been sent."""
        ...

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Look up whether this text was sent. Never sends anything. Raises ChannelError."""
        ...


class Editor(Protocol):
    """Corrects and removes published posts.

    Both methods are idempotent, so that they can be retried after an error. `receipt` is what
    `send` returned for the original.
    """

    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        """Replace the text of the post. Raises ChannelError."""
        ...

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        """Remove the post; succeeds also if it no longer exists. Raises ChannelError."""
        ...


class ConnectForm(forms.Form):
    """The form with which an admin connects an account. Its first field names the account.

    Fields called `sender` and `signature` start with the values of the organisation.
    known: the account that is connected again, or None. lines: fields shown side by side.
    """

    lines: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init__(
        self, data: Any = None, *, known: Credentials | None = None, initial: Json | None = None
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        if known:
            self.show(known)

    def show(self, known: Credentials) -> None:
        """Fill in the stored settings of an account, but never its password."""

    def rows(self) -> list[list[forms.BoundField]]:
        """Return all fields, line by line."""
        line_of = {name: line for line in self.lines for name in line}
        rows = dict.fromkeys(line_of.get(name, (name,)) for name in self.fields)
        return [[self[name] for name in row if name in self.fields] for row in rows]


class ConnectError(Exception):
    """The reasons why an account cannot be connected.

    errors: pairs of a field of the form and a sentence; "" means the form's first field.
    """

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(" ".join(message for _, message in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Connected(Credentials):
    """An account whose login works, with everything that is stored about it.

    name: the name on screen. sources_to_open: address → name of each new source.
    """

    name: str = ""
    sources_to_open: Mapping[str, str] = field(default_factory=dict)


class Connect(Protocol):
    def __call__(self, typed: Json, known: Credentials | None, *, test: bool) -> Connected:
        """Log in with the typed settings. Changes nothing on the network. Raises ConnectError.

        typed: the cleaned data of the form. known: as in the form. test: log in even if no setting
        of the login changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Connector:
    """The part of a channel that connects an account.

    label: the kind of account. title: the heading of its page. about: what connecting does.
    """

    label: str | Promise
    title: str | Promise
    about: str | Promise
    form: type[ConnectForm]
    connect: Connect


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of network. Without a speaker, staff send outside scrm and record the text.

    max_length: code points a text may have, or None. visibilities: those that it can send.
    titles: whether a text may have a title that the network shows. carries: the bytes of files that
    may be sent with a text. own_ground: the network is our own site (our blog): it is one account,
    and every post that is no answer is ours.
    connector: None if its accounts need no login.
    """

    kind: str
    label: str
    listener: Listener | None = None
    speaker: Speaker | None = None
    editor: Editor | None = None
    connector: Connector | None = None
    max_length: int | None = None
    visibilities: tuple[Visibility, ...] = ("private", "public")
    titles: bool = True
    own_ground: bool = False
    carries: int = 0


_KEYS = {"scope", "network", "key", "thread_key", "in_reply_to"}
_LONGEST_KEY = 400


def bounded_key(key: str) -> str:
    """Return `key`, or, if it is too long for an index, its beginning with a hash of the whole."""
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 65]}#{sha256(key.encode()).hexdigest()}"


def _make_storable(facts: Any) -> None:
    for attribute in fields(facts):
        value = getattr(facts, attribute.name)
        if isinstance(value, str):
            value = storable(value)
            # The dataclass is frozen, so ordinary assignment would fail.
            object.__setattr__(
                facts, attribute.name, bounded_key(value) if attribute.name in _KEYS else value
            )
