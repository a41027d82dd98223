from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Contact, Profile, User
from routing.models.case import Case


class CaseLink(models.Model):
    """What a user decided about two cases: they belong together, or they are to be kept apart.

    one, other: the case with the lower and the case with the higher number.
    """

    class Kind(models.TextChoices):
        LINKED = "linked", _("Linked")
        APART = "apart", _("Kept separate")

    one = models.ForeignKey(Case, models.PROTECT, related_name="links_up", db_index=False)
    other = models.ForeignKey(Case, models.PROTECT, related_name="links_down")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["one", "other"], name="one_link_a_pair"),
            models.CheckConstraint(condition=Q(one__lt=F("other")), name="link_in_order"),
        ]

    def __str__(self) -> str:
        return f"#{self.one_id} {self.kind} #{self.other_id}"


class CaseFollower(models.Model):
    """A user who is notified of each new message in a case, even if it is assigned to others."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="followers", db_index=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="followed_cases")
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "user"], name="follows_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} follows {self.case}"


class CaseParticipant(models.Model):
    """A person whom a user added to a case: either a profile or a contact, with a role in the case.

    The people who wrote in the case are participants without a row; see `routing.participants`.
    """

    class Role(models.TextChoices):
        AUTHOR = "author", _("Author")
        BYSTANDER = "bystander", _("Bystander")
        INFLUENCER = "influencer", _("Influencer")
        STAFF = "staff", _("Staff")

    case = models.ForeignKey(Case, models.CASCADE, related_name="participants", db_index=False)
    profile = models.ForeignKey(Profile, models.PROTECT, null=True, related_name="participations")
    contact = models.ForeignKey(Contact, models.PROTECT, null=True, related_name="participations")
    role = models.CharField(max_length=10, choices=Role.choices)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "profile", "contact"],
                name="participates_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(profile=None, contact__isnull=False)
                | Q(profile__isnull=False, contact=None),
                name="participant_is_one_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} ({self.get_role_display()})"

    @property
    def person(self) -> Profile | Contact:
        found = self.contact if self.profile is None else self.profile
        assert found is not None
        return found
