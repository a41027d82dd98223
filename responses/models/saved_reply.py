from __future__ import annotations

import pghistory
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Department, User


class SavedReplyQuerySet(models.QuerySet["SavedReply"]):
    def usable_in(self, department: Department) -> SavedReplyQuerySet:
        return self.filter(Q(department=None) | Q(department=department), is_active=True)


@pghistory.track(
    model_name="SavedReplyChange",
    fields=["name", "text", "department", "owner", "is_active"],
    append_only=True,
)
class SavedReply(models.Model):
    """A stored text with variables such as `{{ name }}`.

    Only `department` may use the text. If `department` is None, all departments may use it.
    """

    name = models.CharField(max_length=80, unique=True)
    text = models.TextField()
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, blank=True, related_name="saved_replies"
    )
    owner = models.ForeignKey(User, models.PROTECT, related_name="saved_replies")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SavedReplyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "saved replies"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("responses:saved_reply", args=[self.pk])
