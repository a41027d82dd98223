"""The rule of a network that says whether we may reply to an item.

The answer is known before a user starts to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scrm.channels.base import Credentials, Visibility


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether the network's interface lets us reply to an item.

    reason: one sentence for the user who writes; it says why a reply is not allowed, or under which
    condition it is allowed. "" if there is nothing to say.
    until: the time at which the permission ends, or None.
    """

    allowed: bool = True
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a reply rule needs to know about the item that we want to answer.

    mentions: the keys of the profiles that the item mentions.
    quotes_us: whether the item quotes a post of ours.
    replies_to_us: whether the item answers a post of ours.
    thread_key: the key of the item's thread; "" if it is unknown.
    """

    visibility: Visibility
    occurred_at: datetime | None
    mentions: tuple[str, ...] = ()
    quotes_us: bool = False
    replies_to_us: bool = False
    thread_key: str = ""


class ReplyRule(Protocol):
    def __call__(
        self, credentials: Credentials, received: Received, visibility: Visibility
    ) -> Permission:
        """Return whether the network lets us reply with this visibility.

        Sends no request to a server.
        """
        ...
