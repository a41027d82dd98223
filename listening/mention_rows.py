"""The rows of a list of mentions. Each row has the topics and the case of its mention.

A row also has the text of the mention, but only if the user may read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.safestring import SafeString

from crm import above
from crm.models import Interaction, User
from listening.highlight import excerpt
from listening.models import Match, Mention, Topic


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of a list of mentions.

    title, text: "" if the user may not read the mention.
    case: the id of the mention's case; 0 if there is no case or the user may not see the case.
    """

    mention: Mention
    readable: bool
    title: SafeString | str
    text: SafeString | str
    topics: tuple[Topic, ...]
    case: int


def shown(mentions: Sequence[Mention], *, user: User) -> list[Shown]:
    """Return one row for each mention, in the order given.

    The number of SQL statements does not depend on the number of mentions.
    """
    ids = [mention.pk for mention in mentions]
    readable = _readable(ids, user)
    matches = Match.objects.filter(mention__in=ids).select_related("revision__topic")
    hits: dict[int, list[Match]] = {pk: [] for pk in ids}
    for match in matches.order_by("revision__topic__name"):
        hits[match.mention_id or 0].append(match)
    conversations = dict(
        Mention.objects.filter(pk__in=ids, interaction__isnull=False).values_list(
            "pk", "interaction__conversation"
        )
    )
    links = above.cases_of_conversations(conversations.values(), user)
    return [
        _shown(mention, hits[mention.pk], mention.pk in readable, links.get(conversation))
        for mention in mentions
        for conversation in [conversations.get(mention.pk, 0)]
    ]


def _shown(
    mention: Mention, matches: list[Match], readable: bool, link: above.CaseLink | None
) -> Shown:
    spans = [span for match in matches for span in match.spans]
    return Shown(
        mention=mention,
        readable=readable,
        title=excerpt(mention.title, spans, field="title", most=160) if readable else "",
        text=excerpt(mention.text, spans) if readable else "",
        topics=tuple({match.revision.topic: None for match in matches}),
        case=link.case if link else 0,
    )


def _readable(ids: Sequence[int], user: User) -> set[int]:
    """Return the ids of the mentions that the user may read.

    If a mention is recorded in the ledger, it is readable if its interaction is readable. Any other
    mention is readable if it is public, or if the user sees everything.
    """
    recorded = Q(interaction__in=Interaction.objects.readable_by(user).values("pk"))
    unrecorded = Q(interaction=None) if user.sees_everything else Q(interaction=None) & _PUBLIC
    return set(
        Mention.objects.filter(recorded | unrecorded, pk__in=ids).values_list("pk", flat=True)
    )


_PUBLIC = Q(visibility="public")
