"""Build the facts that routing rules are evaluated on, and store them with the event. Pure.

One function serves mentions, offline contacts and trials of the rules on a case, so that all
three get the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from listening.models import Mention, Source
from listening.topic_hits import FoundTopic
from routing.rules import SCHEMA, Facts

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
        """Origin of a offline_contact that a user logged."""
        return cls(network=network, handle=handle, stance=OFFLINE)


def facts(
    said: Said, origin: Origin, *, topics: Iterable[FoundTopic], contact_kind: str | None
) -> Facts:
    """Build the facts of one interaction.

    topics: those that matched. contact_kind: None if the author is no contact.
    """
    return Facts(
        topics=frozenset(topic.name for topic in topics),
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


_STORED = [name for name, field in SCHEMA.items() if field.type not in {"text", "set"}]


def to_store(facts: Facts, topics: Iterable[FoundTopic]) -> dict[str, Any]:
    """Return the facts as their event stores them: ids and small values, no text of the message.

    Text facts are left out, and so is what is unknown. topics: those that matched, as
    {"topic": id, "revision": id, "spans": [["text", start, end], …]}.
    """
    values = {name: getattr(facts, name) for name in _STORED}
    return {name: value for name, value in values.items() if value not in (None, "")} | {
        "topics": [
            {"topic": found.topic, "revision": found.revision, "spans": found.spans}
            for found in sorted(topics, key=lambda found: found.revision)
        ]
    }


def as_stored(built: Facts, stored: Mapping[str, Any], *, topics: Iterable[str]) -> Facts:
    """Return the facts that an event stores, with the text facts of `built`.

    topics: the names of the stored topics.
    """
    values = {name: stored.get(name, getattr(Facts(), name)) for name in _STORED}
    return replace(built, topics=frozenset(topics), **values)
