from __future__ import annotations

import uuid
from hashlib import sha256

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q, Value
from django.urls import reverse
from django.utils import timezone

from crm.models.user import User
from scrm.db.search_words import search_words

CONTACT_NAMES = search_words("name")
"""The search vector for the names of contacts."""

MAX_TAG_LENGTH = 60
"""The maximum length of a tag, whether it is on a contact, on a case or in a rule."""
_MAX_TAGGED = 1_000
"""The tags of this many contacts are offered as suggestions."""


class ContactQuerySet(models.QuerySet["Contact"]):
    def known_tags(self) -> list[str]:
        """Return the tags that contacts have, in alphabetical order.

        Only the newest `_MAX_TAGGED` contacts with tags are read.
        """
        latest = self.exclude(tags=[]).order_by("-pk").values_list("tags", flat=True)[:_MAX_TAGGED]
        return sorted({tag for tags in latest for tag in tags}, key=str.casefold)


class Contact(models.Model):
    """A person or organisation outside our organisation that we know by name.

    A contact can have any number of profiles.
    """

    class Kind(models.TextChoices):
        CUSTOMER = "customer", "Customer"
        PROSPECT = "prospect", "Prospect"
        INFLUENCER = "influencer", "Influencer"
        SUPPLIER = "supplier", "Supplier"
        PARTNER = "partner", "Partner"
        EMPLOYEE = "employee", "Employee"
        PRESS = "press", "Press"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.CUSTOMER)
    about = models.TextField(blank=True)
    owner = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="contacts")
    tags = ArrayField(models.CharField(max_length=MAX_TAG_LENGTH), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ContactQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        indexes = [
            GinIndex(CONTACT_NAMES, name="contact_search"),
            GinIndex(fields=["tags"], name="contact_tags"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("crm:contact", args=[self.pk])

    @property
    def initials(self) -> str:
        letters = [word[0] for word in self.name.split() if word[0].isalnum()]
        return "".join(letters[:2]).upper() or "?"

    @property
    def colour(self) -> int:
        """The number of the avatar's colour, from 0 to 7. The style sheet defines these colours."""
        return self.pk % 8

    @property
    def version(self) -> str:
        """A hash of the values that the edit form shows.

        If it differs from the hash in a submitted form, another user has changed the contact since
        the form was opened.
        """
        shown = [self.name, self.kind, self.about, self.owner_id]
        return sha256(repr(shown).encode()).hexdigest()[:16]

    def tag(self, tag: str) -> str:
        """Add a tag to the contact and return the tag as it was stored.

        If other contacts have the same tag with different upper and lower case letters, the
        spelling of the stored tag is used. The database appends the tag to the stored list, so two
        users can add tags at the same time.
        """
        known = {name.casefold(): name for name in reversed(Contact.objects.known_tags())}
        tag = known.get(tag.casefold(), tag)
        self._set_tags(Func(F("tags"), Value(tag), function="array_append"), unless=[tag])
        return tag

    def untag(self, tag: str) -> None:
        self._set_tags(Func(F("tags"), Value(tag), function="array_remove"))

    def _set_tags(self, tags: Func, *, unless: list[str] | None = None) -> None:
        # Use one UPDATE and not save(): a tag that another user adds at the same time must be kept.
        rows = Contact.objects.filter(pk=self.pk)
        if unless:
            rows = rows.exclude(tags__contains=unless)
        rows.update(tags=tags)
        self.refresh_from_db(fields=["tags"])

    def relate(self, other: Contact, *, kind: str, by: User) -> ContactRelation:
        """Record that this contact has the relation `kind` to the other contact.

        If the same relation is already recorded and has not ended, it is returned unchanged.
        """
        return self.relations.get_or_create(
            other=other, kind=kind, ended_at=None, defaults={"made_by": by}
        )[0]


class ContactRelationQuerySet(models.QuerySet["ContactRelation"]):
    def of(self, contact: Contact) -> ContactRelationQuerySet:
        """Return the current relations of which this contact is the subject or the object."""
        return self.filter(Q(one=contact) | Q(other=contact), ended_at=None)


class ContactRelation(models.Model):
    """A relation from contact `one` to contact `other`.

    A relation can be ended but is never deleted.
    kind: the words between the two names, for example "assistant of" or "works at".
    """

    one = models.ForeignKey(Contact, models.PROTECT, related_name="relations")
    other = models.ForeignKey(Contact, models.PROTECT, related_name="related_from")
    kind = models.CharField(max_length=60)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects = ContactRelationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["one", "other", "kind"],
                condition=Q(ended_at=None),
                name="relation_once",
            ),
            models.CheckConstraint(condition=~Q(one=F("other")), name="relation_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.one} {self.kind} {self.other}"

    def end(self, *, by: User) -> None:
        """Mark the relation as ended. The row is kept.

        Users end a relation when it is over, or when it was recorded by mistake.
        """
        ContactRelation.objects.filter(pk=self.pk, ended_at=None).update(
            ended_at=timezone.now(), ended_by=by
        )
