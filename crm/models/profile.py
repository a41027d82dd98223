from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Prefetch
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from crm.models.contact import Contact
from crm.models.user import User
from scrm.channels.email.people import UNVERIFIED
from scrm.db.locks import locked
from scrm.db.search_words import search_words

NAMES = search_words("name", "handle", "key")
"""The search vector for names, handles and keys of profiles."""


class ProfileQuerySet(models.QuerySet["Profile"]):
    def of_contact(self, contact: Contact) -> ProfileQuerySet:
        """Return the profiles that are currently linked to this contact."""
        return self.filter(links__contact=contact, links__ended_at=None)

    def strangers(self) -> ProfileQuerySet:
        """Return the profiles that are linked to no contact."""
        current = ProfileLink.objects.filter(profile=OuterRef("pk"), ended_at=None)
        return self.filter(~Exists(current))

    def with_marks(self) -> ProfileQuerySet:
        """Load `handle_was_of`, and the last former handle as the list `renames`.

        The list is empty if the handle never changed.
        """
        names = ProfileName.objects.exclude(handle="").exclude(handle=F("profile__handle"))
        last = names.order_by("profile", "-until", "-pk").distinct("profile")
        renames = Prefetch("past_names", queryset=last, to_attr="renames")
        return self.select_related("handle_was_of").prefetch_related(renames)

    def heard(self) -> int:
        """Mark these profiles as reachable again, because they wrote to us.

        Returns the number of profiles that were unreachable before.
        """
        unreachable = self.filter(unreachable_since__isnull=False)
        return unreachable.update(unreachable_since=None, unreachable_why="")


class Profile(models.Model):
    """One outside party on one network.

    The key of a profile never changes. Its handle and name may change.
    handle_was_of: the profile that had the handle first, if another account of the network took it;
    otherwise None. See `crm.impostors`.
    unreachable_since: the time at which a message to this profile bounced; None if no message
    bounced, or if the profile has written to us since then.
    """

    network = models.CharField(max_length=60)
    key = models.CharField(max_length=500)
    handle = models.CharField(max_length=300, blank=True)
    name = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=1000, blank=True)
    reach = models.BigIntegerField(null=True, blank=True)
    verified = models.BooleanField(null=True)
    bio = models.CharField(max_length=1000, blank=True)
    place = models.CharField(max_length=200, blank=True)
    language = models.CharField(max_length=20, blank=True)
    handle_was_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    first_seen_at = models.DateTimeField(default=timezone.now)
    unreachable_since = models.DateTimeField(null=True)
    unreachable_why = models.CharField(max_length=500, blank=True)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "key"], name="profile_once_a_network")
        ]
        indexes = [
            GinIndex(NAMES, name="profile_search"),
            models.Index(Lower("handle"), name="profile_handle"),
        ]

    def __str__(self) -> str:
        return self.name or self.handle or self.key

    def get_absolute_url(self) -> str:
        return reverse("crm:profile", args=[self.pk])

    @property
    def phone(self) -> str:
        """The phone number of a profile on the network "phone", in E.164; otherwise ""."""
        return self.key if self.network == "phone" and self.key.startswith("+") else ""

    @property
    def is_unverified(self) -> bool:
        """Whether mail of this sender may have been written by somebody else; see decision 0035."""
        return self.key.startswith(UNVERIFIED)

    @property
    def initials(self) -> str:
        letters = [word[0] for word in str(self).split() if word[0].isalnum()]
        return "".join(letters[:2]).upper() or "?"

    @property
    def colour(self) -> int:
        """The number of the avatar's colour, from 0 to 7. The style sheet defines these colours."""
        return self.pk % 8

    def cannot_be_reached(self, why: str, *, now: datetime) -> None:
        """Mark the profile as unreachable, with the reason. The method `heard` removes the mark."""
        self.unreachable_since, self.unreachable_why = now, why[:500]
        self.save(update_fields=["unreachable_since", "unreachable_why"])

    @property
    def link(self) -> ProfileLink | None:
        """The current link to a contact, or None."""
        return next((link for link in self.links.all() if link.ended_at is None), None)

    @property
    def contact(self) -> Contact | None:
        link = self.link
        return link.contact if link else None

    @transaction.atomic
    def link_to(
        self,
        contact: Contact,
        *,
        by: User | None,
        evidence: str,
        confidence: float = 1.0,
        now: datetime | None = None,
    ) -> ProfileLink:
        """Link this profile to a contact.

        If the profile is already linked, the old link is marked as ended and its row is kept.
        by: the user who confirms the link; None if scrm guessed it.
        """
        now = now or timezone.now()
        # Lock the profile: if two users link it at the same time, the second link ends the first.
        locked(Profile.objects.filter(pk=self.pk)).get()
        # End the old link first: a constraint allows a profile only one current link.
        self.links.filter(ended_at=None).update(ended_at=now, ended_by=by)
        return self.links.create(
            contact=contact,
            evidence=evidence,
            confidence=confidence,
            confirmed_by=by,
            made_at=now,
        )

    def unlink(self, *, by: User, now: datetime | None = None) -> None:
        """End the current link. No interaction changes, because interactions refer to profiles."""
        self.links.filter(ended_at=None).update(ended_at=now or timezone.now(), ended_by=by)


class ProfileName(models.Model):
    """A handle and a name that a profile had earlier.

    until: the time at which the profile got another handle or name.
    """

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="past_names")
    handle = models.CharField(max_length=300, blank=True)
    name = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(Lower("handle"), name="profile_former_handle")]
        ordering = ["-until", "-pk"]

    def __str__(self) -> str:
        return self.name or self.handle


class ProfileLink(models.Model):
    """A link from a profile to its contact, with the reason.

    A link can be ended but is never deleted.
    """

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="links")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="links")
    evidence = models.CharField(max_length=500)
    confidence = models.FloatField(default=1.0)
    confirmed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile"],
                condition=models.Q(ended_at=None),
                name="one_current_link_a_profile",
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile} is {self.contact}"

    def confirm(self, *, by: User) -> ProfileLink:
        """Replace this guessed link by a new link that this user confirms.

        The guessed link is marked as ended and its row is kept.
        """
        return self.profile.link_to(self.contact, by=by, evidence=self.evidence)

    def again(self, *, by: User) -> ProfileLink:
        """Link the profile and the contact of this ended link again, with a new link.

        If this link was guessed, the new link counts as guessed too. If this link was confirmed,
        the new link is confirmed by this user.
        """
        return self.profile.link_to(
            self.contact,
            by=by if self.confirmed_by_id else None,
            evidence=self.evidence,
            confidence=self.confidence,
        )
