"""What crosses the seam between scrm and a network: frozen facts, two protocols, one error.

A channel hears (`Listener`), speaks (`Speaker`), or both. Neither sees a model: a poll hands
over a `Visit` and gets a `Batch`; a delivery hands over an `Outgoing` and gets a `Receipt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Any, Literal, Protocol

from scrm.text.clean import storable

Visibility = Literal["public", "private"]
Json = Mapping[str, Any]


class ChannelError(Exception):
    """A network said no, or nothing. Carries what the caller has to decide.

    message: one sentence in plain English for the health line or the failed sending.
    permanent: trying again as it is cannot help (404, wrong password, text refused).
    retry_after: seconds the network asked us to wait, or None.
    uncertain: only for sends: the network may have acted although we got no answer.
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
    """Our own presence on a channel, as plugs see it: no row, no session.

    network: the network's name, the first half of every profile key ("sandbox.microblog").
    self_key: the stable key under which we ourselves appear there; "" where we do not.
    """

    network: str
    self_key: str = ""
    address: str = ""
    secrets: Json = field(default_factory=dict)
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
"""Kinds of items that no human wrote. An automatic answer is recorded and is no work. A bounce
says that what we sent came back, a notice that it is late; both are no words of anybody: their
`author` is whom it did not reach, `in_reply_to` our own key, "" where it is not known, and
`text` the other side's reason."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that comes or goes with a text. content_type: the sender's word, nothing more."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """One thing found. Strings lose NUL and lone surrogates here, and nowhere else.

    scope, key: identity; a second item with the same pair is the same item, by whatever
      source it came. `scope` is the widest space in which `key` is unique.
    thread_key, in_reply_to: keys in the same scope; "" where there is no thread or parent.
    text: plain, extracted once; spans of hits are code-point offsets into `title` and `text`.
    html: already cleaned with `scrm.text.clean.clean`. raw: the bytes as received.
    occurred_at: aware, theirs; may be None or absurd, never trusted for order alone.
    to_us: whether the item was addressed to us (a mention, a reply, a DM), where known.
    other_address: an address that the sender's name holds and that is not theirs. Such an item
      joins no exchange and no case of anybody else, and staff are told.
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
    to_us: bool = False
    raw: bytes = b""
    attachments: tuple[File, ...] = ()
    other_address: str = ""

    def __post_init__(self) -> None:
        _make_storable(self)


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at one source: where, as whom, and where the last visit ended."""

    address: str
    cursor: Json = field(default_factory=dict)
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """Something found that could not be read as an item: its raw bytes and why."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What a visit brought home.

    cursor: JSON-able, opaque to all but the listener; stored with the items, in one
      transaction. unchanged: the network said, or a hash showed, that nothing is new.
    next_after: seconds the network asks us to stay away, or None; 0 where more waits there.
    """

    items: tuple[Item, ...] = ()
    cursor: Json = field(default_factory=dict)
    unchanged: bool = False
    next_after: float | None = None
    apart: tuple[Apart, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One address that a listener can visit, as discovery shows it to a human."""

    address: str
    title: str
    kind: str = ""
    items: tuple[Item, ...] = ()


class Listener(Protocol):
    def listen(self, visit: Visit) -> Batch:
        """Fetch what is new since `visit.cursor`. Holds no transaction. Raises ChannelError."""
        ...

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        """What can be heard at an address that a human typed. Raises ChannelError in words."""
        ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text on its way to one destination.

    nonce: the idempotence key; made and stored before the first try, the same at each.
    destination: a profile key for one person, "" for the public at large.
    in_reply_to, thread_key: keys in the network's scope, "" for something new.
    about: the title of what it answers. references: keys of all that was said there before.
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
    """The network's word that it took our text: the identity under which it will be heard."""

    scope: str
    key: str
    thread_key: str = ""
    url: str = ""


class Lookup(Enum):
    """What `Speaker.find` says when it has no receipt to show."""

    ABSENT = "surely absent"
    CANNOT_TELL = "cannot tell"


Idempotence = Literal["key", "lookup", "none"]


class Speaker(Protocol):
    def idempotence(self, credentials: Credentials) -> Idempotence:
        """key: a second send with one nonce is the same send. lookup: `find` can tell."""
        ...

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        """Say it, once. Raises ChannelError; `uncertain` where it may have been said."""
        ...

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Was this said? Never says anything itself. Raises ChannelError."""
        ...


class Editor(Protocol):
    """Changes what we said to many. Both verbs done twice are as done once, so that after any
    trouble they are simply tried again; `receipt` is what `send` gave for the original."""

    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        """Put these words in the place of what is there. Raises ChannelError."""
        ...

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        """Take it down; what is gone already is as good. Raises ChannelError."""
        ...


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of network. `by_hand`: a human carries it out and logs what was said.

    max_length: code points a text may have, or None. `visibilities` it can speak in.
    titles: whether a text may carry a title that is shown there. carries: bytes of files that
    may go with a text. own_ground: whoever posts there, and does not answer, is one of us (a
    blog of our own). own_source: what of an account is listened to as soon as it is connected.
    """

    kind: str
    label: str
    listener: Listener | None = None
    speaker: Speaker | None = None
    editor: Editor | None = None
    by_hand: bool = False
    max_length: int | None = None
    visibilities: tuple[Visibility, ...] = ("private", "public")
    titles: bool = True
    own_ground: bool = False
    carries: int = 0
    own_source: str = ""


_KEYS = {"scope", "network", "key", "thread_key", "in_reply_to"}
_LONGEST_KEY = 400


def bounded_key(key: str) -> str:
    """`key`, or where it is too long for an index its head with a hash of the whole."""
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 65]}#{sha256(key.encode()).hexdigest()}"


def _make_storable(facts: Any) -> None:
    for each in fields(facts):
        value = getattr(facts, each.name)
        if isinstance(value, str):
            value = storable(value)
            object.__setattr__(
                facts, each.name, bounded_key(value) if each.name in _KEYS else value
            )
