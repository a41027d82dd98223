from __future__ import annotations

import uuid

from django.db import models
from django.urls import reverse
from django.utils import timezone

from crm.models.user import User


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
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("crm:contact", args=[self.pk])
