"""Ask the rules of today about a case of yesterday, without moving it."""

from __future__ import annotations

from dataclasses import dataclass

from crm.models import Interaction
from listening.models import Match, Mention, Sighting
from routing.models import Case, CaseEvent, Department, RoutingRule
from routing.rules import Facts, Verdict, route


@dataclass(frozen=True, slots=True)
class Trial:
    """What the rules of today say of what once opened the case."""

    case: Case
    verdict: Verdict
    department: Department


def try_rules(case: Case) -> Trial | None:
    """None where nothing was ever heard in the case."""
    opened = case.events.filter(kind=CaseEvent.Kind.ROUTED, interaction__isnull=False).last()
    said = opened.interaction if opened else case.last_inbound
    if said is None:
        return None
    facts = _facts(case, said)
    fallback = Department.objects.fallback()
    verdict = route(facts, RoutingRule.objects.in_force(), fallback.pk)
    return Trial(case, verdict, Department.objects.get(pk=verdict.department))


def _facts(case: Case, said: Interaction) -> Facts:
    contact = case.profile.contact
    mention = Mention.objects.filter(interaction=said).defer("raw", "html").first()
    seen = Sighting.objects.filter(mention=mention).select_related("source")
    source = seen.order_by("-source__stance").first() if mention else None
    topics = Match.objects.filter(mention=mention).values_list("revision__topic__name", flat=True)
    return Facts(
        topics=frozenset(topics) if mention else frozenset(),
        channel=said.channel,
        network=mention.author_network if mention else said.scope,
        source=source.source.name if source else "",
        stance=source.source.stance if source else "offline",
        kind=said.kind,
        visibility=said.visibility,
        reach=mention.author_reach if mention else None,
        known=contact is not None,
        contact_kind=contact.kind if contact else "",
        handle=mention.author_handle if mention else case.profile.handle,
        text=f"{said.title}\n{said.text}".strip(),
        language=mention.language if mention else "",
    )
