"""“Next case”: the most urgent one that nobody has, for whoever asks; never the same for two."""

from __future__ import annotations

from django.db import transaction

from crm.models import User
from routing.models import Case, Department, Membership

_URGENT = ("rank", "last_inbound_at", "pk")
_LOOKED_AT = 64
"""Of each department: more than people who ask within the same few milliseconds."""


@transaction.atomic
def take_next(user: User) -> Case | None:
    """Claim the most urgent case of their departments that nobody has; None if there is none.

    What somebody else is just taking is passed over instead of waited for.
    """
    free = Case.objects.active().unclaimed()
    firsts = [
        free.filter(department=department).order_by(*_URGENT).values("pk")[:_LOOKED_AT]
        for department in _workplaces(user)
    ]
    if not firsts:
        return None
    among = firsts[0].union(*firsts[1:], all=True) if len(firsts) > 1 else firsts[0]
    mine = free.filter(pk__in=among).select_for_update(skip_locked=True, of=("self",))
    case = mine.order_by(*_URGENT).first()
    if case is not None:
        case.claim(by=user)
    return case


def _workplaces(user: User) -> list[int]:
    """Where they work, not only read; everywhere, for who sees everything and works nowhere."""
    mine = Membership.objects.working().filter(user=user).values_list("department", flat=True)
    if user.sees_everything and not mine:
        return list(Department.objects.values_list("pk", flat=True))
    return list(mine)
