"""The facts that routing goes by, built by one function for all: what is heard online, what is
written down offline, and the trial of the rules on a case. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from listening.models import Mention, Source
from routing.rules import Facts

OFFLINE = "offline"


class Said(Protocol):
    """One thing said: an entry for the ledger, or its row."""

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
    """Where it was said, by whom, and how we came to hear of it."""

    network: str
    handle: str
    stance: str
    source: str = ""
    reach: int | None = None
    language: str = ""

    @classmethod
    def online(cls, mention: Mention, source: Source) -> Origin:
        """source: the one that counts of those that saw it."""
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
        """Written down by one of us."""
        return cls(network=network, handle=handle, stance=OFFLINE)


def facts(said: Said, origin: Origin, *, topics: Iterable[str], contact_kind: str | None) -> Facts:
    """topics: names of those that it hit. contact_kind: None where its author is no contact."""
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
