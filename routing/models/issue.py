from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Count, Exists, F, Max, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Department, User
from routing.models.status import LIVING


class IssueQuerySet(models.QuerySet["Issue"]):
    def editable_by(self, user: User) -> IssueQuerySet:
        """Return the issues that the user may edit.

        These are the user's own issues, or all issues if the user sees all departments.
        """
        return self if user.sees_everything else self.filter(owner=user)

    def offered_to(self, user: User) -> IssueQuerySet:
        """Return the issues that pages offer to the user.

        These are the issues of the user's departments, the issues of all departments, and the
        user's own issues. Users who see everything are offered all issues.
        """
        if user.sees_everything:
            return self
        # Exists instead of a join: with a join, the counts of `counted` would count rows twice.
        named = Issue.departments.through.objects.filter(issue=OuterRef("pk"))
        mine = named.filter(department__in=user.memberships.values("department"))
        return self.filter(Q(owner=user) | ~Exists(named) | Exists(mine))

    def counted(self, *, since: datetime, seen: Q) -> IssueQuerySet:
        """Annotate each issue with counts and with the time of its last inbound message.

        people: number of profiles that have a case in the issue.
        cases_n: number of cases.
        living_n: number of cases that are not closed.
        grown_n: number of cases that were opened at or after `since`.
        hidden_n: number of cases that the user may not see; all other counts leave them out.
        heard_at: time of the last inbound message in a case of the issue.

        seen: the condition for the cases that the user may see, with the prefix "cases__".
        """
        of_case = Q(cases__isnull=False) & seen
        return self.annotate(
            people=Count("cases__profile", distinct=True, filter=of_case),
            cases_n=Count("cases", filter=of_case),
            living_n=Count("cases", filter=of_case & Q(cases__status__in=LIVING)),
            grown_n=Count("cases", filter=of_case & Q(cases__opened_at__gte=since)),
            hidden_n=Count("cases") - F("cases_n"),
            heard_at=Max("cases__last_inbound_at"),
        )

    def open_first(self) -> IssueQuerySet:
        """Sort the issues: open issues first, then closed issues.

        Open issues are sorted by their latest inbound message, closed issues by their closing time.
        The newest is first. The queryset must be annotated by `counted`.
        """
        return self.order_by(
            F("closed_at").desc(nulls_first=True), F("heard_at").desc(nulls_last=True), "-pk"
        )


class Issue(models.Model):
    """One matter that many people raise. One post can answer all its cases together.

    departments: those that group their cases with it; none means all departments.
    """

    name = models.CharField(max_length=200)
    about = models.TextField(blank=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="issues")
    departments = models.ManyToManyField(Department, blank=True, related_name="issues")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    objects = IssueQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("routing:issue", args=[self.pk])
