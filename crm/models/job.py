from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.core.files.base import File
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from crm.models.user import User
from scrm.bus.nudge import nudge
from scrm.db.claim import LeasedRow, LeaseQuerySet

LEASE = timedelta(minutes=3)
"""Longer than the hard time limit of a task: if the lease has lapsed, the worker is dead."""
MAX_ATTEMPTS = 3
ENDLESS = "The job was started several times and never finished."


class JobQuerySet(LeaseQuerySet["Job"]):
    def due(self, now: datetime) -> JobQuerySet:
        """Return the jobs that have not ended and that no worker holds with a valid lease."""
        return super().due(now).filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])


class Job(LeasedRow):
    """Long-running work that a user started, with its progress and its result.

    kind: the name of the Celery task that does the work; its argument is the id of the job.
    data: the input of the task.
    result: the output of the task.
    file: the uploaded file that the task reads, if there is one.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting to start"
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
        """Create a job and wake a worker for it.

        form: the UUID of the submitted form. With this UUID, a double click creates only one job.
        here: True if the caller claims the job itself, so that no worker is woken. If the caller
        fails to claim the job, the tick (a periodic task) starts the job.
        """
        values = {"kind": kind, "owner": by, "total": total, "file": file, "data": data}
        job, new = cls.objects.get_or_create(uuid=form or uuid4(), defaults=values)
        # Wake a worker only for a new job: a second submission of the form must not start it twice.
        if new and not here:
            nudge(kind, job.pk)
        return job

    def claim(self, *, now: datetime | None = None) -> bool:
        """Claim the job. Return False if another worker has claimed it or if the job has ended.

        If `MAX_ATTEMPTS` workers have died with this job, the job is marked as failed and is not
        claimed.
        """
        now = now or timezone.now()
        mine = Job.objects.filter(pk=self.pk)
        # Check this before the claim: a job that makes its workers die must not do so again.
        died = (
            mine.due(now)
            .filter(attempt__gte=MAX_ATTEMPTS)
            .update(
                state=self.State.FAILED,
                lease_until=None,
                ended_at=now,
                message=ENDLESS,
            )
        )
        claimed = not died and mine.claim(now=now, lease=LEASE, state=self.State.RUNNING)
        self.refresh_from_db()
        return bool(claimed)

    def progress(self, done: int, *, now: datetime | None = None) -> None:
        """Store the progress and renew the lease."""
        now = now or timezone.now()
        # Use fenced(): a worker that lost its lease must not overwrite what the next worker stores.
        Job.objects.fenced(self).update(done=done, lease_until=now + LEASE)
        self.done = done

    def note(self, **result: Any) -> None:
        """Add these values to the stored result while the job is running."""
        self.result = self.result | result
        Job.objects.fenced(self).update(result=self.result)

    def finish(self, message: str, *, now: datetime | None = None, **result: Any) -> None:
        self._end(self.State.DONE, message, result, now)

    def fail(self, message: str, *, now: datetime | None = None, **result: Any) -> None:
        self._end(self.State.FAILED, message, result, now)

    def _end(
        self, state: State, message: str, result: dict[str, Any], now: datetime | None
    ) -> None:
        # Use fenced(): a worker that lost its lease must not end the job of the next worker.
        Job.objects.fenced(self).update(
            state=state,
            message=message,
            result=self.result | result,
            lease_until=None,
            ended_at=now or timezone.now(),
        )
        self.refresh_from_db()
