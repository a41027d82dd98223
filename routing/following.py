"""Followers of a case: users who are notified of its new messages, even if it is not theirs."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from crm.models import Notice, User
from routing.models import Case, CaseEvent, CaseFollower
from routing.models.status import Stale


def follow(case: Case, *, by: User) -> None:
    """Idempotent: a second call changes nothing."""
    CaseFollower.objects.get_or_create(case=case.survivor, user=by)


def unfollow(case: Case, *, by: User) -> None:
    CaseFollower.objects.filter(case=case.survivor, user=by).delete()


def may_follow(case: Case) -> QuerySet[User]:
    """Return the active users who can see the case because of their role or department."""
    members = case.department.memberships.values("user")
    seeing = Q(pk__in=members) | Q(role__in=User.SEE_EVERYTHING)
    return User.objects.active().filter(seeing).order_by("name")


@transaction.atomic
def add_follower(case: Case, user: User, *, by: User) -> None:
    """Let a colleague follow the case, and notify the colleague; a second call changes nothing.

    Raises Stale if the colleague cannot see the case.
    """
    case.lock()
    if not may_follow(case).filter(pk=user.pk).exists():
        raise Stale(_("%s cannot see this case. Nothing was changed.") % user)
    _row, is_new = CaseFollower.objects.get_or_create(case=case, user=user)
    if is_new:
        case.log(CaseEvent.Kind.FOLLOWER, by=by, why=_("Added %s.") % user)
        # Once: whoever is added again after a removal knows the case.
        Notice.give([user], Notice.Kind.FOLLOWER, by=by, about=case.as_subject, once=True)


@transaction.atomic
def remove_follower(case: Case, user: User, *, by: User) -> None:
    """End that a colleague follows the case. A second call changes nothing."""
    case.lock()
    if CaseFollower.objects.filter(case=case, user=user).delete()[0]:
        case.log(CaseEvent.Kind.FOLLOWER, by=by, why=_("Removed %s.") % user)


def follows(case: Case, user: User) -> bool:
    """Return whether the user follows. Without a query if `case.followers` is prefetched."""
    return any(row.user_id == user.pk for row in case.followers.all())
