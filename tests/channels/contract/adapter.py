"""What the contract suite needs from a network: a few operations, the same for every channel.

An adapter starts the stand-in of one network behind the proxy `Wire`. What the network cannot do is
declared in `lacks`, with the reason; the tests of it are then skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from scrm.channels.base import (
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Item,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.channels.channel import Channel
from scrm.channels.registry import channel
from tests.channels.contract.leaks import check_error
from tests.channels.contract.wire import Wire

CAPABILITIES = {
    "hear": "has a listener",
    "speak": "has a speaker",
    "threads": "can send a long text as several posts",
    "limit": "limits the length of a text",
    "withdraw": "removes our posts",
    "quotes": "quotes the posts of others",
    "messages": "sends private messages",
    "prices": "charges for each use",
    "http": "is reached over HTTP",
    "login": "has a login that can be revoked",
    "edits": "reports that an item was edited",
    "deletions": "reports that an item was deleted",
}


@dataclass
class Adapter:
    """A network with one account of ours. Use it as a context manager.

    kind: the kind of the channel. lacks: capability → why the channel does not have it.
    address: the source that finds the posts of others. own_address: a source that finds ours.
    message_address: the source that finds private messages.
    latest: how late a post may become visible, behind posts that are newer.
    smallest: the smallest `max_items` with which the network returns anything.
    page: the number of entries on a page of the network.
    renews: whether our login can be renewed.
    timeout: the name of the time limit of one request, which a test shortens.
    """

    kind: ClassVar[str]
    lacks: ClassVar[Mapping[str, str]] = {}
    needs_database: ClassVar[bool] = False
    address: ClassVar[str] = ""
    own_address: ClassVar[str] = ""
    message_address: ClassVar[str] = ""
    latest: ClassVar[timedelta] = timedelta()
    smallest: ClassVar[int] = 1
    page: ClassVar[int] = 100
    renews: ClassVar[bool] = False
    timeout: ClassVar[str] = ""
    wire: Wire = field(default_factory=Wire)
    stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Any:
        self.stack.enter_context(self.wire)
        self.start()
        self.us = self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()
        assert self.wire.failures == [], "a test could not change an answer"

    # Each network implements these.

    def start(self) -> None:
        """Start the stand-in, and tell the proxy its address."""
        raise NotImplementedError

    def connect(self) -> Credentials:
        """Return the credentials of our account."""
        raise NotImplementedError

    def post_as_other(self, text: str, *, late: timedelta = timedelta()) -> str:
        """Publish a post that `address` finds, and return its key.

        late: how long ago the post was written, although it becomes visible only now.
        """
        raise NotImplementedError

    def edit(self, key: str, text: str) -> None:
        """Edit a post of another person."""
        raise NotImplementedError

    def delete(self, key: str) -> None:
        """Delete a post of another person."""
        raise NotImplementedError

    def message_as_other(self, text: str) -> None:
        """Send us a private message, which `message_address` finds."""
        raise NotImplementedError

    def our_posts(self) -> list[str]:
        """Return the texts that we have published, oldest first, private ones too."""
        raise NotImplementedError

    def skew(self, by: timedelta) -> None:
        """Set the clock of the network. Nothing to do if its times do not matter."""

    def publishes(self, method: str, path: str) -> bool:
        """Whether a request publishes a text."""
        return method == "POST"

    def lose_next_answer(self, skip: int = 0) -> None:
        """Let the network publish our text and lose its answer.

        skip: the number of texts that succeed before.
        """
        self.wire.fault(matches=self.publishes, skip=skip, lost=True)

    def drop_next_request(self, skip: int = 0) -> None:
        """Close the connection before the network gets our text."""
        self.wire.fault(matches=self.publishes, skip=skip, dropped=True)

    def fail_next_fetch(self, skip: int = 0) -> None:
        """Answer a request of the next fetch with a server error. skip: requests before it."""
        self.wire.fault(skip=skip, status=500)

    def heal(self) -> None:
        """End all faults."""
        self.wire.heal()

    def wait_for_deletions(self) -> None:
        """Move the clock of the network to the time when the channel looks for deletions."""

    def limit_headers(self, seconds: int) -> dict[str, str]:
        """Return the headers of an answer 429 that asks us to wait for so many seconds."""
        return {"Retry-After": str(seconds)}

    def revoke(self) -> None:
        """Make our login invalid from the next request on."""
        self.wire.fault(times=1_000, status=401, body=b'{"error": "AuthMissing", "code": "no"}')

    def length(self, text: str) -> int:
        """Return how many units of the network a text has, by the rules of the network."""
        raise NotImplementedError

    @property
    def secrets(self) -> list[str]:
        """Everything that must never be logged or shown."""
        return [str(value) for value in self.us.secrets.values() if value]

    def logins(self) -> list[Credentials]:
        """Return our account with each kind of login that the channel supports."""
        return [self.us]

    # The same for all networks.

    @property
    def channel(self) -> Channel:
        return channel(self.kind)

    def listen(
        self, cursor: Any = None, address: str | None = None, max_items: int | None = None
    ) -> Batch:
        listener = self.channel.listener
        assert listener
        address = self.address if address is None else address
        request = FetchRequest(address, cursor or {}, self.us, max_items=max_items)
        with check_error(self.secrets):
            return listener.listen(request)

    def fetches(self, cursor: Any = None, address: str | None = None) -> Iterator[Batch]:
        """Fetch until nothing more waits, at most twenty times."""
        for _ in range(20):
            batch = self.listen(cursor, address)
            yield batch
            cursor = batch.cursor
            if batch.next_after != 0:
                return

    def heard(self, address: str | None = None) -> list[Item]:
        return [item for batch in self.fetches(address=address) for item in batch.items]

    def send(self, outgoing: Outgoing) -> Receipt:
        speaker = self.channel.speaker
        assert speaker
        with check_error(self.secrets):
            return speaker.send(self.us, outgoing)

    def find(self, outgoing: Outgoing) -> Receipt | Lookup:
        speaker = self.channel.speaker
        assert speaker
        with check_error(self.secrets):
            return speaker.find(self.us, outgoing)


def result_of(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a call, or the ChannelError that it raised."""
    try:
        return call(*arguments)
    except ChannelError as error:
        return error


def public(text: str = "A public text.", **facts: Any) -> Outgoing:
    return Outgoing(str(uuid4()), text, visibility="public", **facts)


def reply_to(item: Item, text: str = "We are looking into it.") -> Outgoing:
    """Return our answer to an item, as scrm fills it in."""
    return Outgoing(
        str(uuid4()), text, subject=item.title, destination=item.author.key,
        handle=item.author.handle, in_reply_to=item.key, thread_key=item.thread_key,
        visibility=item.visibility, about=item.title,
    )  # fmt: skip


def quote_of(item: Item, text: str = "Thank you for this.") -> Outgoing:
    """Return our quote of an item, as scrm fills it in."""
    return public(text, handle=item.author.handle, about=item.title, quote=item.key)


def deliver(network: Adapter, outgoing: Outgoing, attempts: int = 12) -> Receipt | Lookup:
    """Send a text as the outbox does: repeat after passing errors, look up after uncertain ones.

    Returns CANNOT_TELL where the outbox would ask a user. A wait that the network asks for is
    simulated by moving the time of the last attempt into the past.
    """
    speaker = network.channel.speaker
    assert speaker
    outgoing, uncertain = replace(outgoing, tried_at=datetime.now(UTC)), False
    for _ in range(attempts):
        try:
            if uncertain and speaker.idempotence(network.us) != "key":
                found = network.find(outgoing)
                if found is not Lookup.ABSENT:
                    return found
            return network.send(outgoing)
        except ChannelError as error:
            if error.permanent:
                raise
            uncertain = uncertain or error.uncertain
            tried_at = outgoing.tried_at or datetime.now(UTC)
            waited = timedelta(seconds=error.retry_after + 200 if error.retry_after else 0)
            outgoing = replace(outgoing, tried_at=tried_at - waited)
    raise AssertionError("the text was not sent after many attempts")
