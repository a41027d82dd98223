"""Like, block and report, read a whole thread, and say who receives a private reply."""

from __future__ import annotations

from scrm.channels.base import ChannelError, Credentials, Item, Visibility
from scrm.channels.mastodon import read
from scrm.channels.mastodon.client import Gone, Server, requested_id
from scrm.channels.mastodon.read import Place
from scrm.channels.moderation import ModerationAction
from scrm.channels.reply_rule import Permission, Received
from scrm.channels.unreadable import UNREADABLE

_LONGEST_COMMENT = 1_000


class MastodonModerator:
    def actions(self, credentials: Credentials, item_key: str) -> tuple[ModerationAction, ...]:  # noqa: ARG002
        return ("like", "unlike", "block", "report")

    def act(
        self,
        credentials: Credentials,
        action: ModerationAction,
        *,
        item_key: str,
        author_key: str,
        reason: str = "",
    ) -> None:
        server = Server.of(credentials)
        if action == "block":
            account = requested_id(author_key, "account")
            server.row(lambda api: api.account_block(account))
        elif action == "report":
            account, status = requested_id(author_key, "account"), requested_id(item_key, "post")
            comment = reason[:_LONGEST_COMMENT] or None
            server.row(lambda api: api.report(account, [status], comment))
        elif action in ("like", "unlike"):
            _like(server, requested_id(item_key, "post"), likes=action == "like")
        else:
            raise ChannelError(f"Mastodon has no action “{action}”.", permanent=True)


def _like(server: Server, number: str, *, likes: bool) -> None:
    if likes:
        server.row(lambda api: api.status_favourite(number))
        return
    try:
        server.row(lambda api: api.status_unfavourite(number))
    except Gone:
        # A deleted post is not liked any more.
        return


class MastodonThreads:
    def thread(
        self, credentials: Credentials, key: str, *, max_items: int = 100
    ) -> tuple[Item, ...]:
        """Return the public posts of the thread; if there are too many, those near the item."""
        server, number = Server.of(credentials), requested_id(key, "post")
        place = Place(credentials.network, server.domain)
        status = server.row(lambda api: api.status(number))
        context = server.row(lambda api: api.status_context(number))
        before, after = (
            rows if isinstance(rows := context.get(name), list) else []
            for name in ("ancestors", "descendants")
        )
        root = _key((before or [status])[0]) or number
        before = before[-max_items // 2 :] if len(before) + len(after) >= max_items else before
        found = [_item(row, place, root) for row in [*before, status, *after]]
        return tuple(item for item in found if item)[:max_items]


def _item(row: object, place: Place, root: str) -> Item | None:
    """Return a public status as an item; None if it is not public or cannot be read."""
    try:
        if isinstance(row, dict) and read.is_open(row):
            return read.item(row, place, thread_key=root)
    except UNREADABLE:
        pass
    return None


def _key(row: object) -> str:
    return str(row.get("id") or "") if isinstance(row, dict) else ""


def reply_rule(
    credentials: Credentials,  # noqa: ARG001
    received: Received,
    visibility: Visibility,
) -> Permission:
    if visibility == "private":
        return Permission(reason="Everybody whose @name is in the text receives this message.")
    if received.visibility == "private":
        return Permission(False, "This post is not public, so a public reply is not possible.")
    return Permission()
