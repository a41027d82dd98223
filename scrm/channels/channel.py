"""The description of a channel: its parts and its limits.

The parts are the code that listens, sends, edits, moderates and connects accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from django.utils.functional import Promise

from scrm.channels.base import (
    Credentials,
    Item,
    Json,
    Listener,
    Outgoing,
    Receipt,
    Speaker,
    Usage,
    Visibility,
)
from scrm.channels.connector import Connector
from scrm.channels.events import Events
from scrm.channels.missing_file import FetchFile
from scrm.channels.moderation import ModerationAction, Moderator
from scrm.channels.prices import PriceList
from scrm.channels.reply_rule import ReplyRule
from scrm.channels.search_query import Translate
from scrm.channels.text_rules import TextRules

KeyOf = Callable[[Credentials, str], str]
"""Return the key of the item at a web address of the network, or "" if the address has none."""


class Editor(Protocol):
    """Corrects and removes published posts.

    Both methods are idempotent, so they can be called again after an error. `receipt` is the
    receipt that `send` returned for the original post.
    """

    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        """Replace the text of the post. Raises ChannelError."""
        ...

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        """Remove the post with the receipt's key; of a thread, only this post.

        Succeeds also if the post no longer exists. Raises ChannelError.
        """
        ...


class ThreadReader(Protocol):
    def thread(
        self, credentials: Credentials, key: str, *, max_items: int = 100
    ) -> tuple[Item, ...]:
        """Return the public items of the thread of an item, oldest first. Raises ChannelError."""
        ...


class Moves(Protocol):
    """Reads and changes the address in the cursor of a source that follows permanent redirects."""

    def fetched_at(self, cursor: Json, asked: str) -> str:
        """Return the address that is fetched. asked: the address of the source."""
        ...

    def fetch_from(self, cursor: Json, asked: str, address: str) -> Json:
        """Return a cursor that fetches another address.

        A permanent redirect from it to the present address is not stored any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class ItemCost:
    """What reading one item of a source can cost.

    usage: the most that one item can use, for example {"post read": 1, "user read": 1}.
    fewest: the smallest `max_items` with which the source can be fetched, because the network
    always returns at least so many items if they exist.
    """

    usage: Usage
    fewest: int = 1


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of network, with the code for it and its limits.

    icon: the name of a symbol in static/icons.svg that stands for the network; "" if the kinds of
    its items say more than the network, as for phone calls and letters.
    hears, says: short lists of what scrm reads and sends there, for the page on which an admin
    chooses a network; "" for a channel that is not offered there.
    speaker: None if scrm cannot send there. Then staff send texts outside scrm and record them.

    text: the limits of a text.
    added_length: returns how many units are added to each post of a text and count, for example for
    the recipient's name before a reply; None if nothing is added.
    reply_rule: says whether we may reply to an item; None if we always may.
    reply_within: the time within which a private message can be answered, because the network then
    closes the conversation; None if it does not.
    moderator: None if the network has no moderation.
    threads: reads public threads; None if the network has none.
    prices: None if the network is free of charge.
    item_price: the name of the paid operation that reading one item uses, or "".
    author_price: the name of the paid operation that is also used for each author whose items of a
    thread are read, or "".
    item_cost: returns the ItemCost of a source from its address; None if reading one item never
    uses more than `item_price` once.
    send_usage: returns the most that sending or correcting this text can use; None if it is free.
    lookup_usage: returns the most that one search for this text (`Speaker.find`) can use; None if
    it is free.
    removal_usage: returns the most that removing one published post can use; None if it is free.
    moderation_usage: returns what a moderation action uses; None if moderation is free.
    visibilities: the visibilities with which the channel can send.
    copies: whether a private text can have further recipients, as the header Cc of a mail.
    quotes: whether a public text can quote an item instead of answering it.
    key_of: finds the item at a web address, so that staff can log what they posted there; None if
    the network has no such addresses.
    titles: whether a text may have a title that the network shows.
    carries: the maximum number of bytes of all files that are sent with one text.
    own_ground: true if the network is our own site, for example our blog. Such a network has one
    account, and every post that answers no item was written by us.
    connector: None if accounts of this channel need no login.
    events: receives events, after which sources are fetched at once; None if there are none.
    is_pushed: true if the network sends its items to us, so that its sources are never fetched.
    moves: reads and changes the address after a permanent redirect; None if there are none.
    takes_headers: whether an admin can set HTTP headers for a source.
    fetch_file: fetches a file of a large item that was not fetched with it; None if items are
    always fetched whole.
    joins_within: an item joins another case of the same person with a shared topic if the person
    wrote there no longer ago than this.
    reopens_within: an item reopens a case that was done no longer ago than this. A later item opens
    a new case.
    """

    kind: str
    label: str
    icon: str = ""
    hears: str | Promise = ""
    says: str | Promise = ""
    listener: Listener | None = None
    speaker: Speaker | None = None
    editor: Editor | None = None
    connector: Connector | None = None
    text: TextRules = field(default_factory=TextRules)
    added_length: Callable[[Credentials, Outgoing], int] | None = None
    reply_rule: ReplyRule | None = None
    reply_within: timedelta | None = None
    moderator: Moderator | None = None
    threads: ThreadReader | None = None
    translate: Translate | None = None
    key_of: KeyOf | None = None
    prices: PriceList | None = None
    item_price: str = ""
    author_price: str = ""
    item_cost: Callable[[str], ItemCost] | None = None
    send_usage: Callable[[Outgoing], Usage] | None = None
    lookup_usage: Callable[[Outgoing], Usage] | None = None
    removal_usage: Callable[[Outgoing], Usage] | None = None
    moderation_usage: Callable[[ModerationAction], Usage] | None = None
    visibilities: tuple[Visibility, ...] = ("private", "public")
    quotes: bool = False
    copies: bool = False
    titles: bool = True
    own_ground: bool = False
    carries: int = 0
    events: Events | None = None
    is_pushed: bool = False
    moves: Moves | None = None
    takes_headers: bool = False
    fetch_file: FetchFile | None = None
    joins_within: timedelta = timedelta(hours=24)
    reopens_within: timedelta = timedelta(days=14)

    def cost_of_item(self, address: str) -> ItemCost:
        """Return what reading one item of the source with this address can cost."""
        if self.item_cost:
            return self.item_cost(address)
        return ItemCost({self.item_price: 1} if self.item_price else {})
