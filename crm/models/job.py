from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.core.files.base import File
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from crm.models.user import User
from scrm.bus.nudge import nudge

LEASE = timedelta(minutes=3)
"""Longer than the hard limit of a task, so that a lapsed lease means death."""
MOST_ATTEMPTS = 3


class JobQuerySet(models.QuerySet["Job"]):
    def due(self, now: datetime) -> JobQuerySet:
        """Not ended, and nobody who may still be alive is at it."""
        waiting = Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=now)
        return self.filter(waiting)


class Job(models.Model):
    """Long work that can be left and found again: who asked, how far it is, how it ended.

    kind: the name of the task that does it, given the job's key. data: what to do, in the
    task's own words. result: what came of it. file: what it works on, if anything.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting to begin"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=60)
    owner = models.ForeignKey(User, models.PROTECT, related_name="jobs")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    data = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    file = models.FileField(upload_to="jobs/%Y/%m", null=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)
    message = models.TextField(blank=True)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["id"], name="job_due", condition=Q(state__in=["queued", "running"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.done} of {self.total or '?'}"

    def get_absolute_url(self) -> str:
        return reverse("crm:job", args=[self.uuid])

    @classmethod
    def ask(
        cls,
        kind: str,
        *,
        by: User,
        total: int | None = None,
        file: File[bytes] | None = None,
        form: UUID | None = None,
        here: bool = False,
        **data: Any,
    ) -> Job:
        """Write down what is wanted; the task of this name does it as soon as it can.

        form: the UUID of the form that asked, so that one click is one job. here: whoever asks
        claims it at once, so no worker is woken to be faster; the tick finds what was not.
        """
        facts = {"kind": kind, "owner": by, "total": total, "file": file, "data": data}
        job, new = cls.objects.get_or_create(uuid=form or uuid4(), defaults=facts)
        if new and not here:
            nudge(kind, job.pk)
        return job

    def claim(self, *, now: datetime | None = None) -> bool:
        """Take it. False if somebody has it, or it ended; it fails after some dead tries."""
        now = now or timezone.now()
        mine = Job.objects.due(now).filter(pk=self.pk)
        if mine.filter(attempt__gte=MOST_ATTEMPTS).update(
            state=self.State.FAILED, ended_at=now, message="It was tried often and never ended."
        ):
            self.refresh_from_db()
            return False
        won = mine.update(
            state=self.State.RUNNING, attempt=F("attempt") + 1, lease_until=now + LEASE
        )
        self.refresh_from_db()
        return bool(won)

    def progress(self, done: int, *, now: datetime | None = None) -> None:
        """Say how far it is, and keep the claim."""
        now = now or timezone.now()
        Job.objects.filter(pk=self.pk, attempt=self.attempt).update(
            done=done, lease_until=now + LEASE
        )
        self.done = done

    def note(self, **result: Any) -> None:
        """Keep what came of it so far."""
        self.result = self.result | result
        Job.objects.filter(pk=self.pk, attempt=self.attempt).update(result=self.result)

    def finish(self, message: str, *, now: datetime | None = None, **result: Any) -> None:
        self._end(self.State.DONE, message, result, now)

    def fail(self, message: str, *, now: datetime | None = None, **result: Any) -> None:
        self._end(self.State.FAILED, message, result, now)

    def _end(
        self, state: State, message: str, result: dict[str, Any], now: datetime | None
    ) -> None:
        Job.objects.filter(pk=self.pk, attempt=self.attempt).update(
            state=state,
            message=message,
            result=self.result | result,
            lease_until=None,
            ended_at=now or timezone.now(),
        )
        self.refresh_from_db()
