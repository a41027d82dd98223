"""Build the facts that routing rules are evaluated on. Pure.

One function serves mentions, offline touchpoints and trials of the rules on a case, so that all
three get the same result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from listening.models import Mention, Source
from routing.rules import Facts

OFFLINE = "offline"


class Said(Protocol):
    """An interaction: an entry for the ledger, or its row."""

    @property
    def channel(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def visibility(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """The network, the author and the source of an interaction."""

    network: str
    handle: str
    stance: str
    source: str = ""
    reach: int | None = None
    language: str = ""

    @classmethod
    def online(cls, mention: Mention, source: Source) -> Origin:
        """Origin of a mention. source: the decisive one of those that saw it."""
        return cls(
            network=mention.author_network,
            handle=mention.author_handle,
            stance=source.stance,
            source=source.name,
            reach=mention.author_reach,
            language=mention.language,
        )

    @classmethod
    def offline(cls, network: str, handle: str) -> Origin:
        """Origin of a touchpoint that a user logged."""
        return cls(network=network, handle=handle, stance=OFFLINE)


def facts(said: Said, origin: Origin, *, topics: Iterable[str], contact_kind: str | None) -> Facts:
    """Build the facts of one interaction.

    topics: names of the topics that matched. contact_kind: None if the author is no contact.
    """
    return Facts(
        topics=frozenset(topics),
        channel=said.channel,
        network=origin.network,
        source=origin.source,
        stance=origin.stance,
        kind=said.kind,
        visibility=said.visibility,
        reach=origin.reach,
        known=contact_kind is not None,
        contact_kind=contact_kind or "",
        handle=origin.handle,
        text=f"{said.title}\n{said.text}".strip(),
        language=origin.language,
    )
