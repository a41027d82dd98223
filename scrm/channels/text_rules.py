"""How long a text may be on a network, and how a long text is split into a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["characters", "graphemes", "weighted"]
"""What a network counts.

characters: code points. graphemes: characters as a reader sees them, for example an emoji made of
several code points. weighted: as X counts: a wide character or an emoji counts 2.
"""


@dataclass(frozen=True, slots=True)
class TextRules:
    """The limits of a text on a network.

    max_length: the most units of a text; None for no limit.
    link_length: the units that every link counts, whatever its length; None if links count as
    they are written.
    short_mentions: whether of "@name@server" only "@name" counts.
    threads: whether a longer text can be sent as several posts, each of which answers the one
    before.
    """

    max_length: int | None = None
    unit: Unit = "characters"
    link_length: int | None = None
    short_mentions: bool = False
    threads: bool = False
