from __future__ import annotations

from dataclasses import dataclass

import pghistory
from django.db import models

from crm.models.user import User


class Role(models.TextChoices):
    AGENT = "agent", "Agent"
    LEAD = "lead", "Team lead"
    DRAFTER = "drafter", "Drafts only (a team lead must approve)"
    READER = "reader", "Read-only"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a user with a certain role may do in the department. Every role may read.

    works: may act on cases.
    sends: may send without the approval of a team lead.
    leads: may approve responses of others and edit the department's saved replies and campaigns.
    """

    works: bool = False
    sends: bool = False
    leads: bool = False


PERMISSIONS = {
    Role.AGENT: Permissions(works=True, sends=True),
    Role.LEAD: Permissions(works=True, sends=True, leads=True),
    Role.DRAFTER: Permissions(works=True),
    Role.READER: Permissions(),
}
"""Role → what the role may do. No other place defines this."""


class MembershipQuerySet(models.QuerySet["Membership"]):
    def working(self) -> MembershipQuerySet:
        """Return the memberships of active users who may act on the department's cases."""
        return self._that_may("works").filter(user__is_active=True)

    def leading(self) -> MembershipQuerySet:
        """Return the memberships of active users who lead the department."""
        return self._that_may("leads").filter(user__is_active=True)

    def drafting(self) -> MembershipQuerySet:
        """Return the memberships of users who may act on cases but need approval for each response.

        A team lead gives the approval.
        """
        return self._that_may("works").exclude(role__in=_roles_that_may("sends"))

    def _that_may(self, permission: str) -> MembershipQuerySet:
        return self.filter(role__in=_roles_that_may(permission))


def _roles_that_may(permission: str) -> list[str]:
    return [role.value for role, allows in PERMISSIONS.items() if getattr(allows, permission)]


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    pghistory.DeleteEvent(),
    model_name="MembershipChange",
    fields=["user", "department", "role"],
    append_only=True,
)
class Membership(models.Model):
    """A user's role in a department."""

    Role = Role

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    department = models.ForeignKey("Department", models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.AGENT)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "department"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()} of {self.department}"

    @property
    def permissions(self) -> Permissions:
        return PERMISSIONS[Role(self.role)]
