"""Events: a network tells us that something happened, so that we fetch it at once.

An event only says which source has something new. The items themselves are always fetched by the
listener of the channel, so an event cannot contain a false item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from scrm.channels.base import Credentials, Json, Usage


@dataclass(frozen=True, slots=True)
class Event:
    """A signed event.

    key: identifies the event; if the network repeats the event, the key is the same.
    address: the address of the source that has something new; "" if no source is concerned.
    """

    key: str
    address: str


class Events(Protocol):
    """The part of a channel that receives events.

    usage: what the network charges for one event.
    addresses: the addresses of the sources of which the network can report events.
    """

    usage: Usage
    addresses: tuple[str, ...]

    def obstacle(self, credentials: Credentials, url: str) -> str:
        """Return why this account cannot receive events at this address of ours; "" if it can."""
        ...

    def challenge(self, credentials: Credentials, query: Mapping[str, str]) -> Json | None:
        """Return the answer to a request by which the network checks our address.

        Returns None if the request is not valid.
        """
        ...

    def is_signed(self, credentials: Credentials, body: bytes, headers: Mapping[str, str]) -> bool:
        """Return whether the network signed this body. The names in headers are in lower case."""
        ...

    def read(self, credentials: Credentials, body: bytes) -> Event:
        """Read a signed event. Raises ValueError with the reason if it is not valid."""
        ...

    def start(self, credentials: Credentials, url: str) -> str:
        """Ask the network to send events to this address, and return the id of the registration.

        If a part of this was done before, only the rest is done. Raises ChannelError.
        """
        ...

    def stop(self, credentials: Credentials, registration: str) -> None:
        """Ask the network to send no more events. Raises ChannelError."""
        ...
