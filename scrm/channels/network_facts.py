"""Facts about networks that a real channel and its simulation in the sandbox share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from scrm.channels.base import Credentials, Outgoing, Usage, Visibility
from scrm.channels.prices import PriceList
from scrm.channels.reply_rule import Permission, Received
from scrm.channels.text_rules import LINK_OR_DOMAIN, TextRules


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """The name of a network, and what the network does with texts.

    icon, text, visibilities, titles, joins_within, reopens_within: as in `Channel`.
    """

    label: str
    icon: str
    text: TextRules = field(default_factory=TextRules)
    visibilities: tuple[Visibility, ...] = ("private", "public")
    titles: bool = True
    joins_within: timedelta = timedelta(hours=24)
    reopens_within: timedelta = timedelta(days=14)


MASTODON_MAX_LENGTH = 500
"""The limit if the server does not state its own."""
BLUESKY_MAX_GRAPHEMES, BLUESKY_MAX_BYTES = 300, 3_000

X = NetworkFacts(
    label="X",
    icon="network-x",
    text=TextRules(280, "weighted", link_length=23, bare_domains=True, threads=True),
    titles=False,
)
MASTODON = NetworkFacts(
    label="Mastodon",
    icon="network-mastodon",
    text=TextRules(
        MASTODON_MAX_LENGTH, "graphemes", link_length=23, short_mentions=True, threads=True
    ),
    titles=False,
)
BLUESKY = NetworkFacts(
    label="Bluesky",
    icon="network-bluesky",
    text=TextRules(
        BLUESKY_MAX_GRAPHEMES,
        "graphemes",
        unit_bytes=BLUESKY_MAX_BYTES // BLUESKY_MAX_GRAPHEMES,
        threads=True,
    ),
    titles=False,
)
# Letters and mails are answered more slowly than posts and chats.
SLOW_JOINS, SLOW_REOPENS = timedelta(days=7), timedelta(days=30)
EMAIL = NetworkFacts(
    label="Email",
    icon="mail",
    visibilities=("private",),
    joins_within=SLOW_JOINS,
    reopens_within=SLOW_REOPENS,
)
WORDPRESS = NetworkFacts(label="WordPress", icon="network-wordpress", visibilities=("public",))
FEED = NetworkFacts(label="Feed", icon="rss")
WEBHOOK = NetworkFacts(label="Webhook", icon="list-checks")

X_PRICES = PriceList.read(Path(__file__).parent / "x" / "prices.toml")
X_UNADDRESSED = (
    "X lets this app reply to and quote only people who mentioned or quoted us. Copy the text, "
    "post it on X yourself, and log it here."
)


def may_reply_on_x(
    credentials: Credentials, received: Received, visibility: Visibility
) -> Permission:
    """Return whether X lets us reply to a post or a direct message.

    Apps with self-serve access may reply only if the post mentions, quotes or answers us.
    """
    if visibility == "private":
        if received.visibility == "private":
            return Permission()
        return Permission(False, "Direct messages are sent only to people who wrote us one first.")
    if received.visibility == "private":
        return Permission(False, "A direct message can only be answered privately.")
    addressed = (
        credentials.self_key in received.mentions or received.quotes_us or received.replies_to_us
    )
    if addressed or credentials.config.get("access") == "enterprise":
        return Permission()
    return Permission(False, X_UNADDRESSED)


def posting_on_x(outgoing: Outgoing) -> Usage:
    """Return the paid operations that sending this text on X uses."""
    if outgoing.visibility == "private":
        return {"DM sent": 1}
    usage: dict[str, int] = {}
    for part in outgoing.parts or (outgoing.text,):
        operation = "post with a link" if LINK_OR_DOMAIN.search(part) else "post"
        usage[operation] = usage.get(operation, 0) + 1
    return usage
