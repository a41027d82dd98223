"""Our public posts, looked up by the parties and cases that they concern."""

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
    """Select from `among` the interactions that are our posts about cases with these profiles.

    A post is about a case directly, or because the case belongs to the post's issue.
    """
    # Two queries and no OR: with OR, PostgreSQL would read all responses instead of the cases of
    # these profiles.
    return _posts(
        among,
        {"deliveries__response__case__profile__in": profiles},
        {"deliveries__response__issue__cases__profile__in": profiles},
    )


def posts_about(case: Case) -> list[QuerySet[Any]]:
    """Our public posts about this case or about its issue."""
    about_issue = {"deliveries__response__issue": case.issue_id}
    about_case = {"deliveries__response__case": case}
    conditions = [about_case, about_issue] if case.issue_id else [about_case]
    return _posts(Interaction.objects.all(), *conditions)


def _posts(among: QuerySet[Any], *conditions: dict[str, Any]) -> list[QuerySet[Any]]:
    posts = among.filter(**_TO_MANY).order_by()
    return [posts.filter(**condition) for condition in conditions]


def bounced() -> Exists:
    """An annotation for interactions: whether the delivery of the interaction bounced."""
    return Exists(Delivery.objects.filter(interaction=OuterRef("pk"), state="bounced"))


def unsent_files(user: User) -> QuerySet[Any]:
    """Ids of the files that belong to responses of the user's departments."""
    through = Response.attachments.through.objects
    departments = user.memberships.values("department")
    return through.filter(response__department__in=departments).values("attachment")


def last_posts(issues: Collection[int]) -> dict[int, datetime]:
    """Issue id → release time of its latest post. Issues without a post are left out."""
    posts = Response.objects.filter(issue__in=issues, audience="many", state="released")
    latest = posts.exclude(released_at=None).order_by().values_list("issue")
    return dict(latest.annotate(Max("released_at")))


def replies_to_us() -> QuerySet[Any]:
    """Ids of the interactions that answer one of our responses."""
    return Feedback.objects.values("interaction")


def response_marks(cases: Collection[int], user: User) -> list[QuerySet[Any, Any]]:
    """Rows (mark, case id, "") for those of these cases that have an unsent response.

    The mark is "held" if a response of the case is held, and "draft" if the user has a draft
    there.
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
