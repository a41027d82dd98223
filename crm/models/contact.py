from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from crm.models.user import User

CONTACT_NAMES = SearchVector("name", config="simple")
"""What a contact is found by."""


class Contact(models.Model):
    """A person or organisation outside that we know by name, whatever network they use."""

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
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

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


class ContactRelation(models.Model):
    """How one contact is connected with another, in one's direction; undone by ending it.

    kind: read as "one is KIND of other", such as "assistant".
    """

    one = models.ForeignKey(Contact, models.PROTECT, related_name="relations")
    other = models.ForeignKey(Contact, models.PROTECT, related_name="related_from")
    kind = models.CharField(max_length=60)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

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
        return f"{self.one}: {self.kind} of {self.other}"
