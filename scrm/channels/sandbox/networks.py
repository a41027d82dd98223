"""The networks that the sandbox simulates, each with the facts of the real network."""

from __future__ import annotations

from scrm.channels import network_facts
from scrm.channels.network_facts import NetworkFacts
from scrm.channels.text_rules import TextRules

X = "sandbox.x"
MASTODON = "sandbox.mastodon"
BLUESKY = "sandbox.bluesky"
MAIL = "sandbox.mail"
BLOG = "sandbox.blog"
FORM = "sandbox.form"
FEED = "sandbox.feed"
MICROBLOG = "sandbox.microblog"
"""A network without special rules, which no real network resembles."""

SOCIAL = (X, MASTODON, BLUESKY, MICROBLOG)
"""The networks on which people post to everybody and send direct messages."""

FACTS: dict[str, NetworkFacts] = {
    X: network_facts.X,
    MASTODON: network_facts.MASTODON,
    BLUESKY: network_facts.BLUESKY,
    MAIL: network_facts.EMAIL,
    BLOG: network_facts.WORDPRESS,
    FORM: network_facts.WEBHOOK,
    FEED: network_facts.FEED,
    MICROBLOG: NetworkFacts("Microblog", "rss", TextRules(max_length=500), titles=False),
}
