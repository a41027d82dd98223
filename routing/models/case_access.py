"""The condition for the cases that a user may see: one definition for lists and for counts."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from crm.models import Membership, User
from routing.models.case_event import CaseEvent
from routing.models.status import CLOSED


def visible(user: User, *, prefix: str = "") -> Q:
    """Return the condition: cases of the user's departments, and unclosed ones they transferred.

    prefix: the path from the queried model to the case, for example "cases__".
    """
    if user.sees_everything:
        return Q()
    handed = CaseEvent.transfers(by=user).filter(case=OuterRef(f"{prefix}pk"))
    member = Membership.objects.filter(department=OuterRef(f"{prefix}department"), user=user)
    unclosed = ~Q(**{f"{prefix}status__in": CLOSED})
    return Q(Exists(member)) | (Q(Exists(handed)) & unclosed)
