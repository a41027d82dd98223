from __future__ import annotations

from typing import ClassVar

import pghistory
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone

from scrm.channels.email.people import mail_address


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, email: str, password: str | None = None, *, name: str = "", role: str = ""
    ) -> User:
        """Create a user. A user without a password cannot log in yet."""
        # Stored in lower case: addresses that differ only in case belong to the same user.
        user = self.model(email=email.strip().lower(), name=name, role=role)
        user.set_password(password)
        user.save()
        return user

    def active(self) -> models.QuerySet[User]:
        return self.filter(is_active=True)

    def seeing_everything(self) -> models.QuerySet[User]:
        """Return the active users who can see all departments."""
        return self.active().filter(role__in=User.SEE_EVERYTHING)


@pghistory.track(
    model_name="UserChange",
    fields=["email", "name", "role", "is_active", "back_on"],
    append_only=True,
)
class User(AbstractBaseUser):
    """A member of staff. The memberships of a user decide which inboxes the user sees.

    back_on: the first day on which a user who is away works again; None if the user is not away.
    """

    class Role(models.TextChoices):
        STAFF = "", "Staff"
        SUPERVISOR = "supervisor", "Supervisor"
        ADMIN = "admin", "Admin"

    SEE_EVERYTHING = (Role.SUPERVISOR, Role.ADMIN)
    """The roles whose users can see all departments and act on cases in all of them."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=20, choices=Role.choices, blank=True, default=Role.STAFF)
    is_active = models.BooleanField(default=True)
    shortcuts = models.BooleanField("keyboard shortcuts", default=True)
    mail_notices = models.BooleanField("email notices", default=False)
    back_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = UserManager()

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def mail_to(self) -> str:
        """The user's mail address, with its domain encoded by IDNA 2008.

        Django would encode the domain by IDNA 2003.
        """
        return mail_address(self.email) or self.email

    @property
    def is_admin(self) -> bool:
        return self.role == self.Role.ADMIN

    @property
    def sees_everything(self) -> bool:
        """Whether the user can see all departments."""
        return self.role in self.SEE_EVERYTHING

    @property
    def is_away(self) -> bool:
        """Whether the user is away today, in the current time zone."""
        return self.back_on is not None and timezone.localdate() < self.back_on

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in str(self).split()[:2]).upper()
