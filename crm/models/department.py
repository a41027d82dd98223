from __future__ import annotations

import pghistory
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property

from crm.models.account import Account
from crm.models.membership import Membership
from crm.models.user import User


class DepartmentQuerySet(models.QuerySet["Department"]):
    def current(self) -> DepartmentQuerySet:
        """Return the departments that are not archived."""
        return self.filter(archived_at=None)

    def visible_to(self, user: User) -> DepartmentQuerySet:
        """Return the departments whose inbox the user may open."""
        return self if user.sees_everything else self.filter(memberships__user=user)

    def worked_by(self, user: User) -> DepartmentQuerySet:
        """Return the departments in which the user may act on cases."""
        if user.sees_everything:
            return self
        return self.filter(
            pk__in=Membership.objects.working().filter(user=user).values("department")
        )

    def led_by(self, user: User) -> DepartmentQuerySet:
        """Return the departments whose responses the user may approve."""
        if user.sees_everything:
            return self
        return self.filter(
            pk__in=Membership.objects.leading().filter(user=user).values("department")
        )

    def fallback(self) -> Department:
        """Return the department that gets the items that match no routing rule.

        There is always exactly one such department.
        """
        return self.get(is_fallback=True)


@pghistory.track(
    model_name="DepartmentChange",
    fields=["name", "owner", "is_fallback", "is_restricted", "archived_at"],
    append_only=True,
)
class Department(models.Model):
    """A team with its own inbox.

    accounts: the accounts from which members of the department may answer.
    archived_at: None if cases can be transferred or routed to the department.
    """

    name = models.CharField(max_length=120, unique=True)
    colour = models.CharField(max_length=7, default="#5b6472")
    owner = models.ForeignKey(User, models.PROTECT, related_name="departments_owned")
    is_fallback = models.BooleanField(default=False)
    is_restricted = models.BooleanField(default=False)
    accounts = models.ManyToManyField(Account, blank=True, related_name="departments")
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True)

    objects = DepartmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_fallback"],
                condition=models.Q(is_fallback=True),
                name="one_fallback_department",
            ),
            models.CheckConstraint(
                condition=models.Q(is_fallback=False) | models.Q(archived_at=None),
                name="fallback_is_not_archived",
            ),
        ]
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def is_led_by(self, user: User) -> bool:
        return self.memberships.leading().filter(user=user).exists()

    def has_worker(self, user: User) -> bool:
        """Return whether the user is a member of this department who may act on cases."""
        return self.memberships.working().filter(user=user).exists()

    def only_drafts(self, user: User) -> bool:
        """Return whether a team lead must approve all responses of this user.

        Only the user's role counts here. Business rules can hold a response of any user.
        """
        return self.memberships.drafting().filter(user=user).exists()

    @cached_property
    def lone_lead(self) -> User | None:
        """The team lead if the department has exactly one, otherwise None."""
        leads = list(self.leads()[:2])
        return leads[0] if len(leads) == 1 else None

    def leads(self) -> models.QuerySet[User]:
        """Return the active team leads of this department."""
        return User.objects.filter(pk__in=self.memberships.leading().values("user"))
