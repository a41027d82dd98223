"""Explain for each item of a case why it is here, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from crm.models import Interaction, User
from listening.models import TopicRevision
from routing.models import Case, CaseEvent
from routing.shown_effects import EffectNames, EffectShown

MAX_ITEMS = 100
"""The page explains this many items, the newest."""

Kind = CaseEvent.Kind
_EXPLAINED = (Kind.ROUTED, Kind.JOINED, Kind.HEARD, Kind.REOPENED, Kind.BYSTANDER)


@dataclass(frozen=True, slots=True)
class ItemReason:
    """Why one item is in its case.

    event: the event that recorded the decision, with its rule and its item.
    sentence: what happened to the item.
    topics: the topic revisions that matched.
    effects: what the matching rules ask for, with their reasons.
    limits: which of that was not applied, because the case was there before.
    why_not: for each other rule, its name and the reason why it did not decide.
    """

    event: CaseEvent
    sentence: str
    topics: tuple[TopicRevision, ...]
    effects: tuple[EffectShown, ...]
    limits: str
    why_not: tuple[tuple[str, str], ...]


def item_reasons(case: Case, user: User) -> list[ItemReason]:
    """Return the reasons for the items of a case, newest first.

    Items that the user may not read are left out, because the reasons could quote their text. The
    number of SQL statements does not depend on the number of items.
    """
    events = case.events.filter(kind__in=_EXPLAINED, interaction__isnull=False)
    events = events.select_related("revision__rule", "interaction__profile")
    latest = list(events.order_by("-pk")[:MAX_ITEMS])
    items = [event.interaction_id or 0 for event in latest]
    readable = set(
        Interaction.objects.readable_by(user).filter(pk__in=items).values_list("pk", flat=True)
    )
    shown = [event for event in latest if event.interaction_id in readable]
    topics = _topics(shown)
    names = EffectNames.load(row for event in shown for row in event.data.get("effects", []))
    return [
        ItemReason(
            event=event,
            sentence=event.sentence,
            topics=tuple(topics[key] for key in _keys(event) if key in topics),
            effects=names.shown(event.data.get("effects", [])),
            limits=_limits(event),
            why_not=tuple((name, why) for name, why in event.data.get("why_not", [])),
        )
        for event in shown
    ]


def _limits(event: CaseEvent) -> str:
    if event.kind == Kind.ROUTED:
        return ""
    if "offer" in event.data:
        return _("The case existed: the department or person was offered, not applied.")
    return _("The case existed: its priority can only rise, and what somebody works on stays.")


def _keys(event: CaseEvent) -> list[int]:
    return [topic["revision"] for topic in event.facts.get("topics", [])]


def _topics(events: Sequence[CaseEvent]) -> dict[int, TopicRevision]:
    wanted: Iterable[int] = {key for event in events for key in _keys(event)}
    return TopicRevision.objects.select_related("topic").in_bulk(list(wanted))
