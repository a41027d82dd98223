"""Build the facts that routing rules are evaluated on, and convert them for the case event.

Mentions, offline contacts and tests of the rules on a case all use `facts`, so that the same
message always gets the same facts. The functions do not access the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from listening.models import Mention, Source
from listening.topic_hits import FoundTopic
from routing.rules import SCHEMA, Facts

OFFLINE = "offline"


class Message(Protocol):
    """An interaction: either an entry that is about to be recorded, or a row of the ledger."""

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
        """Origin of a mention.

        source: of the sources that found the mention, the one that `Sighting.decisive` returns.
        """
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
        """Origin of an offline contact."""
        return cls(network=network, handle=handle, stance=OFFLINE)


def facts(
    message: Message, origin: Origin, *, topics: Iterable[FoundTopic], contact_kind: str | None
) -> Facts:
    """Build the facts of one interaction.

    topics: the topics that matched. contact_kind: the kind of the author's contact; None if the
    author's profile is not linked to a contact.
    """
    return Facts(
        topics=frozenset(topic.name for topic in topics),
        channel=message.channel,
        network=origin.network,
        source=origin.source,
        stance=origin.stance,
        kind=message.kind,
        visibility=message.visibility,
        reach=origin.reach,
        known=contact_kind is not None,
        contact_kind=contact_kind or "",
        handle=origin.handle,
        text=f"{message.title}\n{message.text}".strip(),
        language=origin.language,
    )


_STORED = [name for name, field in SCHEMA.items() if field.type not in {"text", "set"}]


def to_store(facts: Facts, topics: Iterable[FoundTopic]) -> dict[str, Any]:
    """Return the facts in the form in which a case event stores them, without any text.

    Facts of type text and unknown facts are left out. Each topic is stored as
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
    """Return the facts that an event stores, together with the text, which no event stores.

    built: facts of the same message, from which the text is taken. topics: names of the topics
    that the event stores.
    """
    values = {name: stored.get(name, getattr(Facts(), name)) for name in _STORED}
    return replace(built, topics=frozenset(topics), **values)
