"""Whether a network lets us reply to an item; known before anyone types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scrm.channels.base import Credentials, Visibility


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether we may reply to an item through the network's interface.

    reason: why not, or under which condition, in one sentence for the person who writes; "" if
    there is nothing to say. until: the time at which the permission ends, or None.
    """

    allowed: bool = True
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a channel must know of an item to tell whether we may reply to it.

    mentions: the keys of the profiles that the item mentions. quotes_us: whether it quotes a post
    of ours. replies_to_us: whether it answers a post of ours.
    """

    visibility: Visibility
    occurred_at: datetime | None
    mentions: tuple[str, ...] = ()
    quotes_us: bool = False
    replies_to_us: bool = False


class ReplyRule(Protocol):
    def __call__(
        self, credentials: Credentials, received: Received, visibility: Visibility
    ) -> Permission:
        """Return whether a reply of this visibility is allowed. Asks no server."""
        ...
