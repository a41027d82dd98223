"""Build the facts that routing rules are evaluated on, and convert facts to and from stored JSON.

For mentions, for offline contacts and for tests of the rules, the facts are built by the same
function `facts`. So the same message always gets the same facts. The functions of this module do
not access the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from crm.interaction_details import MailDetails
from listening.models import Mention, Source
from listening.topic_hits import FoundTopic
from routing.rules import SCHEMA, WEEKDAYS, Facts

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
    @property
    def details(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """The network, the author and the source of an interaction.

    stance: one of `routing.rules.STANCES`. It says whether the source is addressed to us or about
      us; for an offline contact, it is “offline”.
    reach: the number of the author's followers or readers.
    """

    network: str
    handle: str
    stance: str
    source: str = ""
    reach: int | None = None
    language: str = ""

    @classmethod
    def online(cls, mention: Mention, source: Source) -> Origin:
        """Return the origin of a mention.

        source: the source that decides how the mention is treated, if several sources found it; see
          `SightingQuerySet.decisive`.
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
        """Return the origin of an offline contact."""
        return cls(network=network, handle=handle, stance=OFFLINE)


@dataclass(frozen=True, slots=True)
class Written:
    """When an interaction was written.

    local: the time in the workspace's zone.
    in_working_hours: whether the default calendar was open; None if there is no calendar.
    """

    local: datetime
    in_working_hours: bool | None = None


def facts(
    message: Message,
    origin: Origin,
    *,
    topics: Iterable[FoundTopic],
    contact_kind: str | None,
    written: Written | None = None,
) -> Facts:
    """Build the facts of one interaction.

    written: when it was written; None if this is not known.
    topics: the topics that matched.
    contact_kind: the kind of the author's contact; None if the author's profile is not linked to
      a contact.
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
        recipient_address=MailDetails.read(message.details).recipient_address,
        language=origin.language,
        weekday=WEEKDAYS[written.local.weekday()] if written else "",
        time=written.local.hour * 60 + written.local.minute if written else None,
        working_hours=written.in_working_hours if written else None,
    )


_STORED = [name for name, field in SCHEMA.items() if field.type not in {"text", "set"}]


def to_store(facts: Facts, topics: Iterable[FoundTopic]) -> dict[str, Any]:
    """Return the facts in the JSON form in which a case event stores them.

    Facts of type text are left out, because events store no text of the message. Unknown facts
    are left out too. Each topic is stored as
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
    """Return the facts that a case event stores, together with the facts of type text.

    built: facts of the same message. The facts of type text are taken from them, because no event
      stores text.
    stored: the facts that the event stores, as `to_store` returned them.
    topics: names of the topics that the event stores.
    """
    values = {name: stored.get(name, getattr(Facts(), name)) for name in _STORED}
    return replace(built, topics=frozenset(topics), **values)
