from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from crm.models import User


class HistoryViewQuerySet(models.QuerySet["HistoryView"]):
    def visible_to(self, user: User) -> HistoryViewQuerySet:
        return self.filter(Q(owner=user) | Q(is_shared=True))


class HistoryView(models.Model):
    """A named filter of the response history.

    `query` is the query string of the URL, without the “?”.
    """

    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000)
    owner = models.ForeignKey(User, models.PROTECT, related_name="history_views")
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = HistoryViewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="history_view_name_once")
        ]
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"{reverse('responses:history')}?{self.query}"
