"""Find the channel of a kind.

A channel is imported on first use, so that an SDK is loaded only by processes that need it.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from importlib import import_module

from scrm.channels.channel import Channel
from scrm.channels.connector import Connector

_KINDS = {
    "bluesky": "scrm.channels.bluesky.channel",
    "csv": "scrm.channels.csv_import.channel",
    "email": "scrm.channels.email.channel",
    "feed": "scrm.channels.feed.channel",
    "manual": "scrm.channels.manual",
    "mastodon": "scrm.channels.mastodon.channel",
    "sandbox": "scrm.channels.sandbox.channel",
    "webhook": "scrm.channels.webhook.channel",
    "wordpress": "scrm.channels.wordpress.channel",
    "x": "scrm.channels.x.channel",
}

SANDBOX = "sandbox"
"""The kinds of all channels of the sandbox begin with this word."""
SIMULATED_KINDS = (
    "sandbox.x", "sandbox.mastodon", "sandbox.bluesky", "sandbox.mail", "sandbox.blog",
    "sandbox.form", "sandbox.feed",
)  # fmt: skip
"""Kinds that look like real networks and reach only the sandbox; see `sandbox/simulated.py`."""


def kinds() -> tuple[str, ...]:
    return *_KINDS, *SIMULATED_KINDS


@cache
def channel(kind: str) -> Channel:
    """Return the channel of a kind. Raises KeyError if the kind does not exist."""
    if kind in SIMULATED_KINDS:
        simulated: Channel = import_module("scrm.channels.sandbox.simulated").CHANNELS[kind]
        return simulated
    found: Channel = import_module(_KINDS[kind]).CHANNEL
    return found


def connectors() -> dict[str, Connector]:
    """Return kind → connector, for each kind of channel that has a connector."""
    found = {kind: channel(kind).connector for kind in kinds()}
    return {kind: connector for kind, connector in found.items() if connector}


UNFETCHED_KINDS = frozenset({"csv", "manual", "webhook"})
"""Kinds whose items scrm does not fetch.

They are named here, because finding out from the channels would load the SDKs of all networks.
"""


def label(kind: str) -> str:
    """Return the name of a channel on screen. If the kind does not exist, return the kind."""
    return channel(kind).label if kind in kinds() else kind


def reply_window(kind: str) -> timedelta | None:
    """Return the time within which a private message can be answered; None if it is not limited."""
    return channel(kind).reply_within if kind in kinds() else None


def joins_within(kind: str) -> timedelta:
    """Return `Channel.joins_within` of a kind; the usual time if the kind does not exist."""
    return channel(kind).joins_within if kind in kinds() else Channel(kind, kind).joins_within


def reopens_within(kind: str) -> timedelta:
    """Return `Channel.reopens_within` of a kind; the usual time if the kind does not exist."""
    return channel(kind).reopens_within if kind in kinds() else Channel(kind, kind).reopens_within


def icon(kind: str) -> str:
    """Return the icon of a channel; "" if it has none or does not exist."""
    return channel(kind).icon if kind in kinds() else ""
