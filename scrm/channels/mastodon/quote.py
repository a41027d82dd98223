"""Quote posts on Mastodon 4.5 or later, as far as their authors allow it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scrm.channels.base import ChannelError, Outgoing
from scrm.channels.mastodon.client import Row, Server

_ALLOWED = ("automatic", "manual")
"""Anyone may quote the post, or the author approves each quote."""

_LINK = re.compile(
    r"<p class=\"quote-inline\">[^<]{0,100}<a\b[^>]{0,3000}>.{0,3000}?</a></p>", re.S
)
"""The link to the quoted post that a server puts before the text, for older servers."""


def check_quote(server: Server, outgoing: Outgoing, post: Row) -> None:
    """Refuse a text that the server would not publish as a quote of this post."""
    approval = post.get("quote_approval")
    if not isinstance(approval, Mapping):
        raise ChannelError(
            f"{server.host} does not support quotes (Mastodon 4.5 or later does). Reply instead.",
            permanent=True,
        )
    if approval.get("current_user") not in _ALLOWED:
        raise ChannelError(
            "The author of the post does not allow us to quote it. Reply instead.", permanent=True
        )
    if outgoing.attachments:
        raise ChannelError(
            "Mastodon does not allow pictures in a quote. Remove them, or reply instead.",
            permanent=True,
        )


def without_quoted_link(html: str) -> str:
    return _LINK.sub("", html, count=1)


def quoted_id(row: Row) -> str:
    """Return the id of the post that one of our own posts quotes, also before it is approved."""
    quote = row.get("quote")
    if not isinstance(quote, Mapping):
        return ""
    status = quote.get("quoted_status")
    key = status.get("id") if isinstance(status, Mapping) else quote.get("quoted_status_id")
    return str(key or "")
