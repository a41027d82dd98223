"""Notify the assignees and the followers of the cases to which intake added items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from django.db.models import Exists, OuterRef, Q, QuerySet

from crm.models import Membership, Notice, User
from routing.models import Case, CaseFollower

Kind = Notice.Kind


def tell(
    woken: Iterable[Case],
    grown: Iterable[Case],
    heard: Iterable[Case],
    logged_by: Mapping[int, Set[int | None]],
) -> None:
    """Notify the assignees of woken and grown cases, and the followers of all that heard.

    woken: the cases that were reopened. grown: the open cases to which an item was added.
    heard: all cases to which an item was added. They must be stored.
    logged_by: {case id: ids of the users who logged its new items; None for other items}. A
    follower who logged all new items of a case is not notified of them.

    The assignees must be able to work on their cases. Followers who can no longer see the case
    because of their role or department are left out.

    More items in a case add no second notice while the first one is unread.
    """
    reopened = {case.pk: case for case in woken}
    joined = {case.pk: case for case in grown if case.pk not in reopened}
    _tell_assignees(Kind.REOPENED, reopened.values(), ())
    _tell_assignees(Kind.JOINED, joined.values(), (Kind.JOINED, Kind.REOPENED))
    _tell_followers({case.pk: case for case in heard}, logged_by)


def _tell_assignees(kind: Kind, cases: Iterable[Case], unless_unread: tuple[Kind, ...]) -> None:
    pairs = [(case.as_subject, case.assignee_id) for case in cases if case.assignee_id]
    Notice.give_each(kind, pairs, unless_unread=unless_unread)


def _tell_followers(cases: Mapping[int, Case], logged_by: Mapping[int, Set[int | None]]) -> None:
    followers = _seeing().filter(case__in=cases).order_by("pk")
    pairs = [
        (cases[case].as_subject, user)
        for case, user in followers.values_list("case", "user")
        if user != cases[case].assignee_id and logged_by.get(case) != {user}
    ]
    Notice.give_each(Kind.FOLLOWED, pairs, unless_unread=(Kind.FOLLOWED,))


def _seeing() -> QuerySet[CaseFollower]:
    """Return the active followers who see their case because of their role or department.

    The condition is that of `routing.following.may_follow`, for many cases at once.
    """
    member = Membership.objects.filter(
        department=OuterRef("case__department"), user=OuterRef("user")
    )
    seeing = Q(user__role__in=User.SEE_EVERYTHING) | Exists(member)
    return CaseFollower.objects.filter(seeing, user__is_active=True)
