"""Channels that look like real networks and reach only the sandbox, for the sample workspace.

Each has the name, the icon, the limits and the reply rule of the real network. Its kind is also the
name of its network.
"""

from __future__ import annotations

import re
from typing import Any

from scrm.channels.base import Credentials
from scrm.channels.channel import Channel
from scrm.channels.network_facts import X_PRICES, may_reply_on_x, posting_on_x
from scrm.channels.sandbox.channel import (
    SandboxEditor,
    SandboxListener,
    SandboxSpeaker,
    SandboxThreads,
)
from scrm.channels.sandbox.moderate import SandboxModerator
from scrm.channels.sandbox.networks import BLOG, BLUESKY, FACTS, FEED, FORM, MAIL, MASTODON, X
from scrm.channels.sandbox.remote import SITE

_POST = re.compile(rf"{re.escape(SITE)}/([a-z]+)/([0-9a-zA-Z-]{{1,100}})/?")


def _key_of(credentials: Credentials, address: str) -> str:
    """Return the key of the post at a web address of the network, or ""."""
    found = _POST.fullmatch(address)
    return found[2] if found and credentials.network == f"sandbox.{found[1]}" else ""


def _channel(network: str, *, paid: str = "", **parts: Any) -> Channel:
    facts = FACTS[network]
    return Channel(
        kind=network,
        label=f"{facts.label} (simulated)",
        icon=facts.icon,
        text=facts.text,
        visibilities=facts.visibilities,
        titles=facts.titles,
        joins_within=facts.joins_within,
        reopens_within=facts.reopens_within,
        listener=SandboxListener(network, paid),
        **parts,
    )


_SPEAKING: dict[str, Any] = {"speaker": SandboxSpeaker(), "moderator": SandboxModerator()}
_SOCIAL: dict[str, Any] = {**_SPEAKING, "threads": SandboxThreads(), "key_of": _key_of}

CHANNELS = {
    channel.kind: channel
    for channel in (
        _channel(
            X,
            **_SOCIAL,
            editor=SandboxEditor(can_amend=False),
            reply_rule=may_reply_on_x,
            prices=X_PRICES,
            paid="post read",
            item_price="post read",
            send_usage=posting_on_x,
        ),
        _channel(MASTODON, **_SOCIAL, editor=SandboxEditor()),
        _channel(BLUESKY, **_SOCIAL, editor=SandboxEditor(can_amend=False)),
        _channel(MAIL, **_SPEAKING),
        _channel(BLOG, **_SPEAKING, editor=SandboxEditor(), threads=SandboxThreads()),
        _channel(FORM),
        _channel(FEED),
    )
}
