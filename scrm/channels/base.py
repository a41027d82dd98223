"""The interface between scrm and a network: frozen dataclasses, protocols and one error type.

A channel has a `Listener`, which reads items, or a `Speaker`, which sends texts, or both. Listeners
and speakers use no Django models. A listener gets a `FetchRequest` and returns a `Batch`. A speaker
gets an `Outgoing` and returns a `Receipt`. `Channel` in `channel.py` names all parts of a channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Protocol

from scrm.channels.storable import make_storable, storable_json
from scrm.text.clean import storable

Visibility = Literal["public", "private"]
Json = Mapping[str, Any]
_LONGEST_MESSAGE = 1_000


class ChannelError(Exception):
    """Raised if the network refuses a request, fails or does not answer.

    message: one plain sentence, shown with the source or the failed delivery. It may quote the
    network: NUL characters and lone surrogates are removed, and a long message is cut.
    permanent: whether the same request would fail again (404, wrong password, text refused).
    retry_after: the number of seconds that the network asked us to wait, or None.
    uncertain: whether the network may have sent or changed a text although we got no confirmation.
    usage: the paid operations for which the network charged, or may have charged, although the call
    failed. If it is empty, an `uncertain` error leaves open what the network charged.
    gone: whether the network says that the source was removed for good. The source is then paused.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        uncertain: bool = False,
        usage: Usage | None = None,
        gone: bool = False,
    ) -> None:
        message = storable(message)
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[: _LONGEST_MESSAGE - 1]}…"
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.uncertain = uncertain
        self.usage = usage or {}
        self.gone = gone


@dataclass(frozen=True, slots=True)
class Credentials:
    """The data of one of our accounts, as a channel gets them. They contain no Django model.

    network: the name of the network, for example "sandbox.microblog". Network and key together
    identify a profile.
    self_key: the key of our own profile on this network, which never changes; "" if we have none.
    """

    network: str
    self_key: str = ""
    address: str = ""
    secrets: Json = field(default_factory=dict, repr=False)
    config: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Author:
    """The author of an item, as the network describes the author.

    key: the identity of the author on the network. It never changes; handle and name may change.
    reach: the number of followers. verified: whether the network has verified the author. Both are
    None if the network does not say.
    bio, place, language: what the author says about themselves; "" if nothing.
    """

    network: str
    key: str
    handle: str = ""
    name: str = ""
    url: str = ""
    reach: int | None = None
    verified: bool | None = None
    bio: str = ""
    place: str = ""
    language: str = ""

    def __post_init__(self) -> None:
        make_storable(self)


AUTOMATIC, BOUNCE, NOTICE = "automatic answer", "bounce", "delivery notice"
"""Kinds of items that no human wrote.

An automatic answer is recorded but opens no case. A bounce reports that a message of ours was
returned, a notice that it is late. Their `author` is the recipient that was not reached,
`in_reply_to` is the key of our message, "" if unknown, and `text` is the reason that the other
server gave.
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file of an item or of a text to send.

    content_type: the media type that the sender states; it is not checked.
    alt: a description of the picture for people who cannot see it, or "".
    """

    name: str
    content_type: str
    content: bytes
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One item that a listener found on a network.

    NUL characters and lone surrogates are removed from all strings when an item is created.
    scope, key: the identity of the item. Two items with the same scope and key are the same item,
    even if different sources found them. `scope` is the widest space in which `key` is unique.
    thread_key, in_reply_to: the keys of the thread and of the answered item, in the same scope; ""
    if there is none.
    text: the plain text. The places of matched words are code-point offsets into `title` and
    `text`.
    html: sanitised with `scrm.text.clean.clean`. raw: the bytes as received.
    occurred_at: the network's time, with a time zone. It may be wrong: never sort by it alone.
    mentions: the keys of the profiles that the item addresses or mentions, on the author's network.
    quotes: the key of the quoted item in the same scope, or "". details: facts of a call or a mail.
    other_address: a mail address in the sender's name that is not the sender's own address, or "".
    If it is set, the item never joins the conversation or the case of another person, and staff are
    warned.
    content_hash: a hash of the raw title and content, computed before cleaning. If a later fetch
    returns another hash, the item was edited. It is "" if the channel reports `Change`s itself.
    edited_at: when the item was last edited, as its source states it, or None.
    aliases: other strings that identify the item within its source. If the key of an item is
    unknown but an alias is known, it is the same item under a new key.
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
    mentions: tuple[str, ...] = ()
    quotes: str = ""
    other_address: str = ""
    details: Json = field(default_factory=dict)
    content_hash: str = ""
    edited_at: datetime | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        make_storable(self)


@dataclass(frozen=True, slots=True)
class Change:
    """An edit or a deletion of an item that was found earlier, as the network reports it.

    scope, key: the identity that the item had when it was found.
    title, text, html: the new content of an edited item; "" if the item was deleted.
    occurred_at: the time that the network states, or None.
    """

    scope: str
    key: str
    kind: Literal["edited", "deleted"]
    title: str = ""
    text: str = ""
    html: str = ""
    raw: bytes = b""
    occurred_at: datetime | None = None

    def __post_init__(self) -> None:
        make_storable(self)


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of a topic.

    An item matches if it contains at least one of `any_of`, all of `all_of` and none of `none_of`.
    """

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


Usage = Mapping[str, int]
"""How often each paid operation was used, for example {"post read": 10}."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What a listener needs for a fetch: address, credentials, and the cursor of the last fetch.

    terms: the words of the topic to search for; None if the source is not a search for a topic.
    max_items: the most items that this fetch may read, because we pay for each; None for no limit.
    secrets: the secret parts of the address; see `scrm.net.secret_addresses`.
    headers: the HTTP headers that an admin has set for the source.
    """

    address: str
    cursor: Json = field(default_factory=dict)
    credentials: Credentials | None = None
    terms: Terms | None = None
    max_items: int | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """An entry that the listener could not read as an item, with its raw bytes and the reason."""

    raw: bytes
    reason: str

    def __post_init__(self) -> None:
        make_storable(self)


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of a fetch.

    cursor: JSON that only the listener interprets. It is stored in one transaction with the items.
    It may contain strings of the network, so NUL characters and lone surrogates are removed.
    unchanged: true if the network or a hash shows that nothing is new.
    next_after: the number of seconds until the next fetch. It is the time that the network asks us
    to wait, 0 if the network has more new items, or None if the network does not say.
    size: the number of bytes that were received.
    changes: edits and deletions of items that were found earlier.
    usage: the paid operations that this fetch used.
    """

    items: tuple[Item, ...] = ()
    cursor: Json = field(default_factory=dict)
    unchanged: bool = False
    next_after: float | None = None
    unreadable: tuple[UnreadableItem, ...] = ()
    size: int = 0
    changes: tuple[Change, ...] = ()
    usage: Usage = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cursor", storable_json(self.cursor))


@dataclass(frozen=True, slots=True)
class Found:
    """An address that a listener can fetch.

    `discover` returns such addresses, and a user chooses from them. NUL characters and lone
    surrogates are removed from the strings.
    secrets: the secret parts of the address, which the address itself does not contain.
    """

    address: str
    title: str
    kind: str = ""
    items: tuple[Item, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        make_storable(self)


class Listener(Protocol):
    def listen(self, request: FetchRequest) -> Batch:
        """Fetch the items since `request.cursor`. Raises ChannelError.

        An error that is permanent or has a `retry_after` means that this fetch cost only its
        `usage`. After other errors, scrm assumes a charge for `request.max_items` items.

        Do not call this method inside a database transaction.
        """
        ...

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        """Return the addresses that a typed address leads to. Raises ChannelError."""
        ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A text to be sent to one destination.

    nonce: the idempotency key, stored before the first attempt and the same at every attempt.
    destination: the profile key of the recipient; "" for a public text.
    in_reply_to, thread_key: the keys of the answered item and its thread; "" for a new thread.
    quote: the key of the item that the text quotes instead of answering it, or "".
    about: the title of the answered item. references: the keys of all earlier items of the thread.
    parts: the texts of a thread in their order; empty if the text is not sent as several posts.
    tried_at: the time of the last attempt, or None. copies: the keys of further recipients.
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
    parts: tuple[str, ...] = ()
    quote: str = ""
    tried_at: datetime | None = None
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The confirmation of a network that it accepted our text, with the keys of the text there.

    If the text was sent as a thread, the keys are those of its first post.
    thread_posts: the keys of all posts of a thread in their order; empty if it is not a thread.
    usage: the paid operations that sending used. details: facts to store, as of a letter.
    """

    scope: str
    key: str
    thread_key: str = ""
    url: str = ""
    usage: Usage = field(default_factory=dict, compare=False)
    thread_posts: tuple[str, ...] = ()
    details: Json = field(default_factory=dict, compare=False)


class Lookup(Enum):
    """The result of `Speaker.find` if the text is not found on the network.

    ABSENT: the text was certainly not sent. CANNOT_TELL: the text may have been sent.
    """

    ABSENT = "surely absent"
    CANNOT_TELL = "cannot tell"


Idempotence = Literal["key", "lookup", "none"]


class Speaker(Protocol):
    def idempotence(self, credentials: Credentials) -> Idempotence:
        """Return how a send can be repeated without sending the text twice.

        "key": the network ignores a second send with the same nonce. "lookup": `find` shows whether
        the text was sent. "none": neither is possible. Only the sandbox and the tests of the
        channels call this method. The outbox does not: it always asks `find`.
        """
        ...

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        """Send the text once. Raises ChannelError.

        The error is `uncertain` if the text may have been sent nevertheless.
        """
        ...

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Find out whether the text was sent, without sending. Raises ChannelError."""
        ...
