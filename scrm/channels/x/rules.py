"""What X lets us do with the posts of others: reply, like, hide, and read their threads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scrm.channels.base import ChannelError, Credentials, Item, Visibility
from scrm.channels.moderation import ModerationAction
from scrm.channels.network_facts import may_reply_on_x
from scrm.channels.reply_rule import Permission, Received
from scrm.channels.x.client import APP_ONLY, POST_FACTS, Answer, XClient, client_of
from scrm.channels.x.read import MESSAGE, id_of, is_retweet, read_post, two_people

SMALLEST_SEARCH = 10
_PROTECTED = (
    "Only approved followers may see this post, so a public reply would tell everybody about it, "
    "and X has no private reply to a post. Answer on X yourself, and log it here."
)
_GROUP = (
    "This message was written to a group, and a reply from here would reach only its author. "
    "Answer in the group on X yourself, and log it here."
)
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def may_reply(credentials: Credentials, received: Received, visibility: Visibility) -> Permission:
    """Return whether we may reply.

    A private item is a direct message, or a post of a protected account, which cannot be answered
    from here. A message to a group cannot be answered either.
    """
    if credentials.self_key == APP_ONLY:
        return Permission(False, "This login belongs to an app and can only search X.")
    is_message = not received.thread_key or received.thread_key.startswith(MESSAGE)
    if received.visibility == "private" and not is_message:
        return Permission(False, _PROTECTED)
    if received.thread_key.startswith(MESSAGE) and not two_people(received.thread_key):
        return Permission(False, _GROUP)
    return may_reply_on_x(credentials, received, visibility)


class XModerator:
    """Likes posts, and hides replies to our posts."""

    def actions(self, credentials: Credentials, item_key: str) -> tuple[ModerationAction, ...]:
        if credentials.self_key == APP_ONLY or not (item_key.isascii() and item_key.isdigit()):
            return ()
        return ("like", "unlike", "hide", "unhide")

    def act(
        self,
        credentials: Credentials,
        action: ModerationAction,
        *,
        item_key: str,
        author_key: str,  # noqa: ARG002
        reason: str = "",  # noqa: ARG002
    ) -> None:
        if action not in self.actions(credentials, item_key):
            raise ChannelError(f"“{action}” is not possible for this item on X.", permanent=True)
        client = client_of(credentials)
        calls: dict[str, Any] = {
            "like": client.like,
            "unlike": client.unlike,
            "hide": client.hide_reply,
            "unhide": client.unhide_reply,
        }
        calls[action](item_key)


class XThreadReader:
    def thread(
        self, credentials: Credentials, key: str, *, max_items: int = 100
    ) -> tuple[Item, ...]:
        """Return the post and the posts of its conversation of the last seven days.

        Each post is paid for. X searches at least ten posts at a time; with less room than that,
        only the post itself is read.
        """
        if key.startswith(MESSAGE) or max_items < 1:
            return ()
        client = client_of(credentials, user=False)
        own: Answer = client.get_tweets([_id(key)], **POST_FACTS)
        items = _items(own)
        if key not in items:
            raise ChannelError("The post was deleted or is not visible to us.", permanent=True)
        items = _conversation(client, items[key], max_items - len(own.rows)) | items
        return tuple(sorted(items.values(), key=lambda item: item.occurred_at or _LONG_AGO))


def _conversation(client: XClient, post: Item, room: int) -> dict[str, Item]:
    """Return the posts of the conversation of a post that was read, at most `room` of them."""
    found: dict[str, Item] = {}
    asked: dict[str, Any] = {"query": f"conversation_id:{post.thread_key}"}
    while room >= SMALLEST_SEARCH:
        asked["max_results"] = min(100, room)
        try:
            answer: Answer = client.search_recent_tweets(**asked, **POST_FACTS)
        except ChannelError as error:
            read = {post.key: post} | found
            people = {item.author.key for item in read.values()}
            error.usage = {"post read": len(read), "user read": len(people)}
            raise
        found |= _items(answer)
        room -= max(len(answer.rows), 1)
        if not answer.next_token:
            break
        asked["next_token"] = answer.next_token
    return found


def _items(answer: Answer) -> dict[str, Item]:
    items = {}
    for row in answer.rows:
        try:
            post = read_post(row, answer.users, answer.media)
        except (ValueError, TypeError):
            continue
        if not is_retweet(row):
            items[post.item.key] = post.item
    return items


def _id(key: str) -> str:
    try:
        return id_of(key)
    except ValueError as error:
        raise ChannelError("This item is not on X.", permanent=True) from error
