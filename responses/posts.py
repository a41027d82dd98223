"""Queries for our public posts and for other facts about responses, for use in other apps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet, Value

from crm.models import Interaction, User
from responses.models import Delivery, Draft, Feedback, Response
from routing.models import Case

_TO_MANY = {"profile": None, "direction": Interaction.Direction.OUT}


def posts_to(among: QuerySet[Any], profiles: Sequence[int]) -> list[QuerySet[Any]]:
    """Return querysets of the interactions in `among` that are our posts about certain cases.

    `profiles` are ids of profiles. The result contains the posts about all cases with these
    profiles. A post is about a case if its response belongs to the case or to the issue of the
    case. Our public answers that also serve these profiles are included.
    """
    # These are two queries without OR: with OR, PostgreSQL would read all responses instead of the
    # cases of these profiles.
    posts = _posts(
        among,
        {"deliveries__response__case__profile__in": profiles},
        {"deliveries__response__issue__cases__profile__in": profiles},
    )
    return [*posts, among.filter(deliveries__response__served__profile__in=profiles).order_by()]


def posts_about(case: Case) -> list[QuerySet[Any]]:
    """Return querysets of our public posts about this case or its issue, or that also serve it."""
    about_issue = {"deliveries__response__issue": case.issue_id}
    about_case = {"deliveries__response__case": case}
    conditions = [about_case, about_issue] if case.issue_id else [about_case]
    also = Interaction.objects.filter(deliveries__response__served__case=case).order_by()
    return [*_posts(Interaction.objects.all(), *conditions), also]


def _posts(among: QuerySet[Any], *conditions: dict[str, Any]) -> list[QuerySet[Any]]:
    posts = among.filter(**_TO_MANY).order_by()
    return [posts.filter(**condition) for condition in conditions]


def bounced() -> Exists:
    """Return a condition that is true for an interaction whose delivery bounced."""
    return Exists(Delivery.objects.filter(interaction=OuterRef("pk"), state="bounced"))


def unsent_files(user: User) -> QuerySet[Any]:
    """Return the ids of the files that belong to responses of the user's departments."""
    through = Response.attachments.through.objects
    departments = user.memberships.values("department")
    return through.filter(response__department__in=departments).values("attachment")


def last_posts(issues: Collection[int]) -> dict[int, datetime]:
    """Return issue id → time at which the latest post about the issue was released.

    Issues without a released post are left out.
    """
    posts = Response.objects.filter(issue__in=issues, audience="many", state="released")
    latest = posts.exclude(released_at=None).order_by().values_list("issue")
    return dict(latest.annotate(Max("released_at")))


def replies_to_us() -> QuerySet[Any]:
    """Return the ids of the interactions that answer one of our responses."""
    return Feedback.objects.values("interaction")


def response_marks(cases: Collection[int], user: User) -> list[QuerySet[Any, Any]]:
    """Return querysets of rows (mark, case id, "") for cases with a held response or a draft.

    The mark is “held” if a response to the case is held. It is “draft” if the user has a draft with
    a text in the case. A case can have both marks.
    """
    drafts = Draft.objects.filter(author=user).exclude(text="")
    marked: dict[str, QuerySet[Any, Any]] = {"held": Response.objects.held(), "draft": drafts}
    return [
        rows.filter(case__in=cases)
        .order_by()
        .annotate(mark=Value(mark), said=Value(""))
        .values_list("mark", "case", "said")
        for mark, rows in marked.items()
    ]
