"""Find out whether the network of an account lets us reply to a message.

Pages show this to the user before the user writes the reply.
"""

from __future__ import annotations

from typing import cast

from crm.models import Account, Interaction
from scrm.channels.base import Visibility
from scrm.channels.reply_rule import Permission, Received

ALLOWED = Permission()


def permission(account: Account, message: Interaction | None, visibility: str) -> Permission:
    """Return whether the network lets us reply to the message with this visibility.

    message: the message that is answered; None if the reply starts a new conversation.
    """
    rule = account.channel.reply_rule
    if rule is None or message is None:
        return ALLOWED
    return rule(account.credentials, _received(message), cast(Visibility, visibility))


def _received(message: Interaction) -> Received:
    seen_as = cast(Visibility, message.visibility)
    mention = getattr(message, "mention", None)
    if mention is None:  # the message was recorded offline
        return Received(seen_as, message.occurred_at)
    return Received(
        seen_as,
        message.occurred_at,
        mentions=tuple(mention.mentioned),
        quotes_us=_is_ours(message.scope, mention.quotes),
        replies_to_us=_is_ours(message.scope, mention.in_reply_to),
        thread_key=mention.thread_key,
    )


def _is_ours(scope: str, key: str) -> bool:
    """Return whether the item with this key is a text of ours."""
    return bool(key) and Interaction.objects.filter(scope=scope, key=key, direction="out").exists()
