from __future__ import annotations

import pghistory
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from crm.models import Account, User


class DepartmentQuerySet(models.QuerySet["Department"]):
    def visible_to(self, user: User) -> DepartmentQuerySet:
        """Those whose inbox a user may open."""
        return self if user.sees_everything else self.filter(memberships__user=user)

    def fallback(self) -> Department:
        """Where goes what no rule claims. There is always exactly one."""
        return self.get(is_fallback=True)


@pghistory.track(
    model_name="DepartmentChange",
    fields=["name", "owner", "is_fallback", "is_restricted"],
    append_only=True,
)
class Department(models.Model):
    """A team and its inbox. accounts: from which its people may answer."""

    name = models.CharField(max_length=120, unique=True)
    colour = models.CharField(max_length=7, default="#5b6472")
    owner = models.ForeignKey(User, models.PROTECT, related_name="departments_owned")
    is_fallback = models.BooleanField(default=False)
    is_restricted = models.BooleanField(default=False)
    accounts = models.ManyToManyField(Account, blank=True, related_name="departments")
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    objects = DepartmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_fallback"],
                condition=models.Q(is_fallback=True),
                name="one_fallback_department",
            )
        ]
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("routing:department", args=[self.pk])

    def is_led_by(self, user: User) -> bool:
        return self.memberships.filter(user=user, role=Membership.Role.LEAD).exists()

    def only_drafts(self, user: User) -> bool:
        """Whether what they write in its name waits for a team lead, whatever the rules say."""
        return self.memberships.filter(user=user, role=Membership.Role.DRAFTER).exists()

    @cached_property
    def lone_lead(self) -> User | None:
        """Its only team lead, if there is just one."""
        leads = list(self.leads()[:2])
        return leads[0] if len(leads) == 1 else None

    def leads(self) -> models.QuerySet[User]:
        return User.objects.active().filter(
            memberships__department=self, memberships__role=Membership.Role.LEAD
        )


class MembershipQuerySet(models.QuerySet["Membership"]):
    def working(self) -> MembershipQuerySet:
        """Of people who may act there: active, and not merely readers."""
        return self.filter(user__is_active=True).exclude(role=Membership.Role.READER)


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    pghistory.DeleteEvent(),
    model_name="MembershipChange",
    fields=["user", "department", "role"],
    append_only=True,
)
class Membership(models.Model):
    """A person's part in a department."""

    class Role(models.TextChoices):
        AGENT = "agent", "Agent"
        LEAD = "lead", "Team lead"
        DRAFTER = "drafter", "Drafts only: a team lead sends"
        READER = "reader", "Read-only"

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    department = models.ForeignKey(Department, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.AGENT)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "department"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()} of {self.department}"
