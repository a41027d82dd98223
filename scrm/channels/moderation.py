"""The part of a channel that moderates items of others, for example hides or deletes them."""

from __future__ import annotations

from typing import Literal, Protocol

from scrm.channels.base import Credentials

ModerationAction = Literal[
    "like", "unlike", "hide", "unhide", "delete", "block", "report",
    "approve", "hold", "spam", "trash",
]  # fmt: skip
"""The last four are the states of a comment on our own site, as WordPress names them.

"hold": only moderators see the comment, until one of them approves it.
"""


class Moderator(Protocol):
    """Acts on the items of others: likes, hides or removes them, blocks or reports their authors.

    Every action is idempotent: an action whose effect already exists succeeds.
    """

    def actions(self, credentials: Credentials, item_key: str) -> tuple[ModerationAction, ...]:
        """Return the actions that the network allows for this item.

        Sends no request to a server.
        """
        ...

    def act(
        self,
        credentials: Credentials,
        action: ModerationAction,
        *,
        item_key: str,
        author_key: str,
        reason: str = "",
    ) -> None:
        """Perform the action. Raises ChannelError."""
        ...
