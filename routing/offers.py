"""What a routing rule proposes for a case that somebody already has."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from crm.models import Department, User
from routing.models import Case, CaseEvent


@dataclass(frozen=True, slots=True)
class Offer:
    """A rule matched a later message and names another department or person.

    department: None if the rule names the case's own department.
    person: the user whom the rule names; None if it names nobody.
    rule: the name of the rule.
    """

    department: Department | None
    person: User | None
    rule: str


def offer_for(case: Case) -> Offer | None:
    """Return the newest offer; None if there is none, or if the case was transferred since."""
    decided = Q(data__has_key="offer") | Q(kind__in=[CaseEvent.Kind.TRANSFERRED])
    event = case.events.filter(decided).select_related("revision__rule").order_by("pk").last()
    offered = event.data.get("offer") if event else None
    if event is None or offered is None or case.is_closed:
        return None
    person = User.objects.active().filter(pk=offered["person"] or 0).first()
    rule = event.revision.rule.name if event.revision else ""
    if offered["department"] != case.department_id:
        department = Department.objects.filter(pk=offered["department"]).first()
        return Offer(department, person, rule) if department else None
    if person is None or person.pk == case.assignee_id:
        return None
    return Offer(None, person, rule)
