"""The description of a channel: how it listens, sends, edits and connects, and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from scrm.channels.base import Editor, Listener, Speaker, Visibility
from scrm.channels.connector import Connector


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of network. If it has no speaker, staff send texts outside scrm and record them.

    max_length: the most code points that a text may have; None for no limit.
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
    max_length: int | None = None
    visibilities: tuple[Visibility, ...] = ("private", "public")
    titles: bool = True
    own_ground: bool = False
    carries: int = 0
