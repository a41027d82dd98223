"""The description of a channel: its parts and its limits.

The parts are the code that listens, sends, edits, moderates and connects accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.functional import Promise

from scrm.channels.base import (
    Credentials,
    Editor,
    Listener,
    Speaker,
    ThreadReader,
    Visibility,
)
from scrm.channels.connector import Connector
from scrm.channels.moderation import Moderator
from scrm.channels.prices import PriceList
from scrm.channels.reply_rule import ReplyRule
from scrm.channels.search_query import Translate
from scrm.channels.text_rules import TextRules

KeyOf = Callable[[Credentials, str], str]
"""Return the key of the item at a web address of the network, or "" if the address has none."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of network, with the code for it and its limits.

    hears, says: short lists of what scrm reads and sends there, for the page on which an admin
    chooses a network; "" for a channel that is not offered there.
    speaker: None if scrm cannot send there. Then staff send texts outside scrm and record them.

    text: the limits of a text.
    reply_rule: says whether we may reply to an item; None if we always may.
    moderator: None if the network has no moderation.
    threads: reads public threads; None if the network has none.
    prices: None if the network is free of charge.
    item_price: the name of the paid operation that reading one item uses, or "".
    visibilities: the visibilities with which the channel can send.
    key_of: finds the item at a web address, so that staff can log what they posted there; None if
    the network has no such addresses.
    titles: whether a text may have a title that the network shows.
    carries: the maximum number of bytes of all files that are sent with one text.
    own_ground: true if the network is our own site, for example our blog. Such a network has one
    account, and every post that answers no item was written by us.
    connector: None if accounts of this channel need no login.
    is_pushed: true if the network sends its items to us, so that its sources are never fetched.
    """

    kind: str
    label: str
    hears: str | Promise = ""
    says: str | Promise = ""
    listener: Listener | None = None
    speaker: Speaker | None = None
    editor: Editor | None = None
    connector: Connector | None = None
    text: TextRules = field(default_factory=TextRules)
    reply_rule: ReplyRule | None = None
    moderator: Moderator | None = None
    threads: ThreadReader | None = None
    translate: Translate | None = None
    key_of: KeyOf | None = None
    prices: PriceList | None = None
    item_price: str = ""
    visibilities: tuple[Visibility, ...] = ("private", "public")
    titles: bool = True
    own_ground: bool = False
    carries: int = 0
    is_pushed: bool = False
