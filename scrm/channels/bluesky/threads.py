"""Read the public thread of a post."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from scrm.channels.base import ChannelError, Credentials, Item
from scrm.channels.bluesky import read
from scrm.channels.bluesky.client import Client, Query, Row, XrpcError
from scrm.channels.bluesky.lookup import get_posts
from scrm.channels.unreadable import UNREADABLE

DEPTH, HEIGHT = 100, 100
_EVER = datetime(1, 1, 1, tzinfo=UTC)


class BlueskyThreads:
    def thread(
        self, credentials: Credentials, key: str, *, max_items: int = 100
    ) -> tuple[Item, ...]:
        client = Client.of(credentials)
        if key.startswith("dm:"):
            raise ChannelError("Direct messages are not public.", permanent=True)
        items: dict[str, Item] = {}
        for view in _posts(_thread(client, key)):
            try:
                item = read.post(view, {})
            except UNREADABLE:
                continue
            items[item.key] = item
        ordered = sorted(items.values(), key=lambda item: item.occurred_at or _EVER)
        return tuple(ordered[:max_items])


def _thread(client: Client, key: str) -> Any:
    """Return the thread from its first post on; if that is gone, from the post itself on."""
    for place in dict.fromkeys((_root(client, key), key)):
        query: Query = {"uri": place, "depth": DEPTH, "parentHeight": HEIGHT}
        try:
            return client.get("app.bsky.feed.getPostThread", query).get("thread")
        except XrpcError as error:
            if error.code != "NotFound":
                raise
    return None


def _root(client: Client, key: str) -> str:
    for view in get_posts(client, [key]):
        try:
            return read.post(view, {}).thread_key
        except UNREADABLE:
            continue
    return key


def _posts(thread: Any) -> Iterator[Row]:
    """Yield the posts of the tree, without recursion, because a thread may be deep."""
    waiting = [thread]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if isinstance(node.get("post"), dict):
            yield node["post"]
        replies = node.get("replies")
        waiting += [node.get("parent"), *(replies if isinstance(replies, list) else [])]
