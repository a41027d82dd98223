"""The button “Next case” claims the most urgent unassigned case.

Two agents who press the button at the same moment never get the same case.
"""

from __future__ import annotations

from django.db import transaction

from crm.models import Department, Membership, User
from routing.models import Case

_URGENT = ("rank", "last_inbound_at", "pk")
_MAX_CANDIDATES = 64
"""Number of candidates per department.

It is higher than the number of agents who may press the button at the same moment.
"""


@transaction.atomic
def take_next(user: User) -> Case | None:
    """Claim and return the most urgent unassigned case in the user's departments.

    If another agent is claiming a case at this moment, that case is skipped. Returns None if there
    is no unassigned case.
    """
    free = Case.objects.active().unclaimed()
    firsts = [
        free.filter(department=department).order_by(*_URGENT).values("pk")[:_MAX_CANDIDATES]
        for department in _workplaces(user)
    ]
    if not firsts:
        return None
    candidates = firsts[0].union(*firsts[1:], all=True) if len(firsts) > 1 else firsts[0]
    # Filter by `free` again: a candidate may have been claimed after the subquery read it.
    mine = free.filter(pk__in=candidates).order_by(*_URGENT)
    case = mine.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
    if case is not None:
        case.claim(by=user)
    return case


def _workplaces(user: User) -> list[int]:
    """Return the ids of the departments where the user may work on cases, not only read them.

    If the user sees all departments but works in none, all departments are returned.
    """
    mine = Membership.objects.working().filter(user=user).values_list("department", flat=True)
    if user.sees_everything and not mine:
        return list(Department.objects.values_list("pk", flat=True))
    return list(mine)
