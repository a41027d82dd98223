"""Notify the assignees and the followers of the cases to which intake added items."""

from __future__ import annotations

from collections.abc import Iterable

from crm.models import Notice
from routing.models import Case, CaseFollower

Kind = Notice.Kind


def tell(woken: Iterable[Case], grown: Iterable[Case], heard: Iterable[Case]) -> None:
    """Notify the assignees of woken and grown cases, and the followers of all that heard.

    woken: the cases that were reopened. grown: the open cases to which an item was added.
    heard: all cases to which an item was added. They must be stored.

    More items in a case add no second notice while the first one is unread.
    """
    reopened = {case.pk: case for case in woken}
    joined = {case.pk: case for case in grown if case.pk not in reopened}
    _tell_assignees(Kind.REOPENED, reopened.values(), ())
    _tell_assignees(Kind.JOINED, joined.values(), (Kind.JOINED, Kind.REOPENED))
    _tell_followers({case.pk: case for case in heard})


def _tell_assignees(kind: Kind, cases: Iterable[Case], unless_unread: tuple[Kind, ...]) -> None:
    pairs = [(case.as_subject, case.assignee_id) for case in cases if case.assignee_id]
    Notice.give_each(kind, pairs, unless_unread=unless_unread)


def _tell_followers(cases: dict[int, Case]) -> None:
    followers = CaseFollower.objects.filter(case__in=cases, user__is_active=True)
    pairs = [
        (cases[case].as_subject, user)
        for case, user in followers.order_by("pk").values_list("case", "user")
        if user != cases[case].assignee_id
    ]
    Notice.give_each(Kind.FOLLOWED, pairs, unless_unread=(Kind.FOLLOWED,))
