"""Test the current routing rules on an existing case, without changing the case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from crm.models import Department, Interaction, Profile
from listening.models import Mention, Sighting, TopicRevision
from listening.topic_hits import FoundTopic, topics_found_in
from routing.facts import Origin, as_stored, facts
from routing.models import Case, CaseEvent, RoutingRule
from routing.rules import Facts, Verdict, route
from routing.shown_effects import EffectNames, EffectShown, stored
from routing.when_written import WhenWritten


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a test: what the current rules decide on the message that opened the case."""

    case: Case
    verdict: Verdict
    department: Department
    effects: tuple[EffectShown, ...]


def try_rules(case: Case) -> Trial | None:
    """Test the current rules on a case.

    If facts were stored when the case was routed, the rules are evaluated on these facts. Later
    changes of the contact or the source then make no difference.

    Returns None if the case has no inbound message whose author has a profile.
    """
    opened = case.events.filter(kind=CaseEvent.Kind.ROUTED, interaction__isnull=False).last()
    message = opened.interaction if opened else case.last_inbound
    if message is None or message.profile is None:
        return None
    known, _topics = rebuild(message, message.profile, opened.at if opened else timezone.now())
    if opened and opened.facts:
        known = as_stored(known, opened.facts, topics=_names(opened.facts["topics"]))
    fallback = Department.objects.fallback()
    verdict = route(known, RoutingRule.objects.in_force(), fallback.pk)
    effects = [stored(each) for each in verdict.effects]
    department = Department.objects.get(pk=verdict.department)
    return Trial(case, verdict, department, EffectNames.load(effects).shown(effects))


def rebuild(
    message: Interaction, author: Profile, routed_at: datetime
) -> tuple[Facts, tuple[FoundTopic, ...]]:
    """Build the facts of a recorded interaction again; return them with the topics that matched.

    The kind of contact is the present kind. Sources that found the mention only after `routed_at`
    are ignored.
    """
    topics = topics_found_in(message.pk)
    contact = author.contact
    kind = contact.kind if contact else None
    origin = _origin(message, author, routed_at)
    written = WhenWritten.load().at(message.sort_at)
    return facts(message, origin, topics=topics, contact_kind=kind, written=written), topics


def _names(topics: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the present names of the topics that an event stores.

    The names are needed because the conditions of rules contain topic names, not ids.
    """
    revisions = TopicRevision.objects.filter(pk__in=[topic["revision"] for topic in topics])
    return list(revisions.values_list("topic__name", flat=True))


def _origin(message: Interaction, author: Profile, routed_at: datetime) -> Origin:
    # A version of an edited message has the origin of the first version.
    first = message.revises_id or message.pk
    mention = Mention.objects.filter(interaction=first).defer("raw", "html").first()
    seen = Sighting.objects.filter(mention=mention, at__lte=routed_at).decisive()
    if mention is None or mention.pk not in seen:
        return Origin.offline(message.scope, author.handle)
    return Origin.online(mention, seen[mention.pk])
