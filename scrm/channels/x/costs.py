"""The most that reading an item or sending a text on X can cost, before X is asked."""

from __future__ import annotations

from scrm.channels.base import Outgoing, Usage
from scrm.channels.channel import ItemCost
from scrm.channels.moderation import ModerationAction
from scrm.channels.network_facts import posting_on_x
from scrm.channels.x.listen import MENTIONS, MESSAGES, SMALLEST_MENTIONS, SMALLEST_SEARCH
from scrm.channels.x.timeline import PAGE, PAGES

_MODERATION: dict[ModerationAction, str] = {
    "like": "like", "unlike": "unlike", "hide": "hide or unhide", "unhide": "hide or unhide",
}  # fmt: skip
LOOKED_UP = PAGES * PAGE
"""The most posts of ours that are read to find a text whose answer was lost."""


def item_cost(address: str) -> ItemCost:
    """Return the cost of reading one item, with its author and the later look-up of deletions.

    `fewest` is the smallest number of items for which X can be asked.
    """
    if address == MESSAGES:
        return ItemCost({"DM received": 1, "user read": 1})
    if address == MENTIONS:
        return ItemCost({"own read": 1, "user read": 1, "post read": 1}, fewest=SMALLEST_MENTIONS)
    return ItemCost({"post read": 2, "user read": 1}, fewest=SMALLEST_SEARCH)


def send_usage(outgoing: Outgoing) -> Usage:
    """Return the most that sending this text can use.

    Our posts are read once: before a thread is sent, or if X refuses a post as a duplicate.
    """
    if outgoing.visibility == "private":
        return posting_on_x(outgoing)
    return {"own read": LOOKED_UP, **posting_on_x(outgoing)}


def lookup_usage(outgoing: Outgoing) -> Usage:
    """Return the most that one search for this text among our posts or messages can use."""
    return {"DM received": PAGE} if outgoing.visibility == "private" else {"own read": LOOKED_UP}


def moderation_usage(action: ModerationAction) -> Usage:
    return {_MODERATION[action]: 1}


def removal_usage(outgoing: Outgoing) -> Usage:  # noqa: ARG001
    return {"delete": 1}
