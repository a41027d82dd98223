"""Correct or remove a published text on its network. Of a thread, every post is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.utils import timezone

from responses.models import Delivery, ThreadPost
from responses.models.delivery_state import DeliveryAction
from scrm.channels.base import ChannelError, Credentials, Receipt, Usage
from scrm.channels.channel import Editor


def keep_thread(delivery: Delivery, receipt: Receipt) -> None:
    """Store the keys of the posts of a thread, so that they can be removed later."""
    ThreadPost.objects.bulk_create(
        ThreadPost(delivery=delivery, position=position, key=key)
        for position, key in enumerate(receipt.thread_posts)
    )


def removal_usage(post: Delivery) -> Usage:
    """Return the most that removing the text can use: all its posts that are still online."""
    return _times(_usage_of_one(post), max(post.thread_posts.online().count(), 1))


def carry_out(delivery: Delivery, post: Delivery) -> Receipt:
    """Apply a correction or removal to the published text of `post`. Raises ChannelError."""
    # This is checked immediately before sending: this correction must not overwrite a later one.
    if delivery.is_overtaken:
        raise ChannelError("A later change to this post was already published.", permanent=True)
    channel, credentials = delivery.account.channel, delivery.account.credentials
    if channel.editor is None:
        raise ChannelError(f"{channel.label} cannot change sent messages.", permanent=True)
    if delivery.act == DeliveryAction.AMEND:
        return channel.editor.amend(credentials, post.receipt, delivery.outgoing)
    _remove(post, channel.editor, credentials)
    return post.receipt


def _remove(post: Delivery, editor: Editor, credentials: Credentials) -> None:
    """Remove all posts of the text that are still online, the last one first.

    Each removed post is stored at once, so that a later attempt removes only the others.
    """
    online = list(post.thread_posts.online())
    if not online:
        editor.withdraw(credentials, post.receipt)
        _check_nothing_is_left(post)
    for number, row in enumerate(online):
        try:
            editor.withdraw(credentials, replace(post.receipt, key=row.key))
        except ChannelError as error:
            raise _partly_removed(error, post, online, number) from error
        ThreadPost.objects.filter(pk=row.pk).update(removed_at=timezone.now())


def _check_nothing_is_left(post: Delivery) -> None:
    """Raise a permanent error if the text is a thread of which only the first post is known.

    This is the case if a user marked the thread as sent, with the link to its first post.
    """
    parts = len(post.outgoing.parts)
    if parts > 1 and not post.thread_posts.exists():
        raise ChannelError(
            f"The first of {parts} posts of the thread was removed. scrm does not know the "
            f"addresses of the others. Remove them on {post.account.channel.label}.",
            permanent=True,
        )


def _partly_removed(
    error: ChannelError, post: Delivery, online: Sequence[ThreadPost], removed: int
) -> ChannelError:
    """Return the error with the posts that are still online, and with what the network charged."""
    used = removed + 1 if error.uncertain else removed
    left = sorted(row.position + 1 for row in online[removed:])
    numbers = ", ".join(map(str, left))
    noun = "Post" if len(left) == 1 else "Posts"
    verb = "is" if len(left) == 1 else "are"
    return ChannelError(
        f"{noun} {numbers} of the {post.thread_posts.count()} posts of the thread {verb} still "
        f"online. {error.message}",
        permanent=error.permanent,
        retry_after=error.retry_after,
        uncertain=error.uncertain,
        usage=error.usage or _times(_usage_of_one(post), used),
    )


def _usage_of_one(post: Delivery) -> Usage:
    usage = post.account.channel.removal_usage
    return usage(post.outgoing) if usage else {}


def _times(usage: Usage, number: int) -> Usage:
    return {operation: uses * number for operation, uses in usage.items()} if number else {}
