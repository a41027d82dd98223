from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models import Account, User
from routing.models import Case
from scrm.db.append_only import frozen

PAUSE = timedelta(minutes=1)
"""A thread is not fetched again within this time: a double click must not cost twice."""


class ThreadReadingQuerySet(models.QuerySet["ThreadReading"]):
    def recent(self, now: datetime) -> ThreadReadingQuerySet:
        """Return the readings that are so recent that the thread is not fetched again.

        A failed reading counts if the network may have charged for it.
        """
        return self.filter(Q(error="") | Q(cost__gt=0), at__gt=now - PAUSE)


class ThreadReading(models.Model):
    """The posts of a public thread, as they were when a user fetched the thread.

    They are shown beside a case as context. They are neither mentions nor interactions: they match
    no topic, open no case and count in no report.

    thread_key: the key of the thread on the account's network.
    posts: one object per post; see `responses.public_thread`. Empty until the network has answered.
    cost: what the fetch cost at most, also if it failed, in millionths of a US dollar.
    error: why the thread could not be fetched, or "".
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="thread_readings")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    thread_key = models.CharField(max_length=500)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    posts: models.JSONField[Any, Any] = models.JSONField(default=list)
    cost = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    read_at = models.DateTimeField(null=True)

    objects = ThreadReadingQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        triggers = frozen(
            "case_id", "account_id", "thread_key", "by_id", "at", "posts", "cost", "read_at",
            unless="OLD.read_at IS NULL",
        )  # fmt: skip

    def __str__(self) -> str:
        return f"Thread {self.thread_key} of case {self.case_id}"
