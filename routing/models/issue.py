from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils import timezone

from crm.models import User


class Issue(models.Model):
    """One matter raised by many: its cases are answered together."""

    name = models.CharField(max_length=200)
    about = models.TextField(blank=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="issues")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("routing:issue", args=[self.pk])
