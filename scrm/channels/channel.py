"""The description of a channel: how it listens, sends, edits and connects, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from scrm.channels.base import (
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
from scrm.channels.text_rules import TextRules


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of network. If it has no speaker, staff send texts outside scrm and record them.

    text: the limits of a text. reply_rule: whether we may reply to an item; None if always.
    moderator: None if the network has no moderation. threads: None if it has no public threads.
    prices: None if the network is free of charge. item_price: the paid operation that reading one
    item uses, or "".
    visibilities: the visibilities with which the channel can send.
    titles: whether a text may have a title that the network shows.
    carries: how many bytes of files may be sent with a text.
    own_ground: true if the network is our own site, for example our blog; then it has one account,
    and every post that answers nothing was written by us.
    connector: None if accounts of this channel need no login.
    """

    kind: str
    label: str
    listener: Listener | None = None
    speaker: Speaker | None = None
    editor: Editor | None = None
    connector: Connector | None = None
    text: TextRules = field(default_factory=TextRules)
    reply_rule: ReplyRule | None = None
    moderator: Moderator | None = None
    threads: ThreadReader | None = None
    prices: PriceList | None = None
    item_price: str = ""
    visibilities: tuple[Visibility, ...] = ("private", "public")
    titles: bool = True
    own_ground: bool = False
    carries: int = 0
