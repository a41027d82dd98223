"""Try the current routing rules on an existing case, without moving it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from crm.models import Department, Interaction, Profile
from listening.models import Match, Mention, Sighting
from routing.facts import Origin, facts
from routing.models import Case, CaseEvent, RoutingRule
from routing.rules import Verdict, route


@dataclass(frozen=True, slots=True)
class Trial:
    """The verdict of the current rules on the interaction that opened the case."""

    case: Case
    verdict: Verdict
    department: Department


def try_rules(case: Case) -> Trial | None:
    """Run the current rules on a case; None if the case has no inbound interaction."""
    opened = case.events.filter(kind=CaseEvent.Kind.ROUTED, interaction__isnull=False).last()
    said = opened.interaction if opened else case.last_inbound
    if said is None or said.profile is None:
        return None
    contact = said.profile.contact
    hits = Match.objects.filter(interaction=said)
    known = facts(
        said,
        _origin(said, said.profile, opened.at if opened else timezone.now()),
        topics=hits.values_list("revision__topic__name", flat=True),
        contact_kind=contact.kind if contact else None,
    )
    fallback = Department.objects.fallback()
    verdict = route(known, RoutingRule.objects.in_force(), fallback.pk)
    return Trial(case, verdict, Department.objects.get(pk=verdict.department))


def _origin(said: Interaction, author: Profile, routed_at: datetime) -> Origin:
    """The origin as known when the case was routed: later sightings do not count."""
    mention = Mention.objects.filter(interaction=said).defer("raw", "html").first()
    seen = Sighting.objects.filter(mention=mention, at__lte=routed_at).decisive()
    if mention is None or mention.pk not in seen:
        return Origin.offline(said.scope, author.handle)
    return Origin.online(mention, seen[mention.pk])
