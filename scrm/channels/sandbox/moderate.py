"""Moderate posts of the sandbox's people. The sandbox stores a mark for each action."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.moderation import ModerationAction
from scrm.channels.sandbox.networks import BLOG, BLUESKY, MASTODON, MICROBLOG, X
from scrm.channels.sandbox.remote import (
    apply_fault,
    by_key,
    mark,
    remove,
    unmark,
    wire,
)

_ACTIONS: dict[str, tuple[ModerationAction, ...]] = {
    MICROBLOG: ("like", "unlike", "hide", "unhide", "block", "report"),
    X: ("like", "unlike", "hide", "unhide"),
    MASTODON: ("like", "unlike", "block", "report"),
    BLUESKY: ("like", "unlike", "block", "report"),
    BLOG: ("hide", "unhide", "delete"),
}
_ENDS: dict[ModerationAction, ModerationAction] = {"unlike": "like", "unhide": "hide"}


class SandboxModerator:
    def actions(self, credentials: Credentials, item_key: str) -> tuple[ModerationAction, ...]:  # noqa: ARG002
        return _ACTIONS.get(credentials.network, ())

    def act(
        self,
        credentials: Credentials,
        action: ModerationAction,
        *,
        item_key: str,
        author_key: str,
        reason: str = "",
    ) -> None:
        if action not in self.actions(credentials, item_key):
            raise ChannelError(f"The sandbox has no action “{action}”.", permanent=True)
        with wire() as cursor:
            fault = apply_fault(cursor, credentials.network, "moderate")
            _act(cursor, credentials, action, item_key, author_key, reason)
        if fault and fault.mode == "answer lost":
            raise ChannelError("The sandbox did not answer in time.", uncertain=True)


def _act(
    cursor: CursorWrapper,
    us: Credentials,
    action: ModerationAction,
    item_key: str,
    author_key: str,
    reason: str,
) -> None:
    if action == "delete":
        remove(cursor, us.network, item_key)
    elif action == "block":
        mark(cursor, us.network, us.self_key, "block", author_key, reason)
    elif action in _ENDS:
        unmark(cursor, us.network, us.self_key, _ENDS[action], item_key)
    elif by_key(cursor, us.network, item_key) is None:
        raise ChannelError("The post was deleted on the sandbox.", permanent=True)
    else:
        mark(cursor, us.network, us.self_key, action, item_key, reason)
