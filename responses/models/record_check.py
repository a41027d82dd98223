from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from crm.models import User, Workspace
from scrm.bus.nudge import nudge
from scrm.db.claim import LeasedRow, LeaseQuerySet

LEASE = timedelta(minutes=3)
"""Longer than a task can run at most: if the lease has lapsed, the process died."""
MAX_ATTEMPTS = 60
"""Maximum number of attempts: each one ends at least one check, if the database is available."""
NIGHT_BEGINS = 2
"""Hour, in the workspace's time zone, from which the night's record check is due."""


class RecordCheckQuerySet(LeaseQuerySet["RecordCheck"]):
    def due(self, now: datetime) -> RecordCheckQuerySet:
        """Checks that have not ended and on which no other process may still be working."""
        return super().due(now).filter(ended_at=None)

    def start_nightly(self, now: datetime) -> None:
        """Create tonight's record check once it is due (NIGHT_BEGINS); start the file cleanup.

        If two processes call this at once, only one check is created.
        """
        here = Workspace.objects.here()
        local = timezone.localtime(now, here.tzinfo if here else timezone.get_default_timezone())
        if local.hour >= NIGHT_BEGINS and not self.filter(night=local.date()).exists():
            record_check = RecordCheck(night=local.date(), asked_at=now)
            self.bulk_create([record_check], ignore_conflicts=True)
            nudge("responses.sweep")

    def ask(self, *, by: User | None = None) -> RecordCheck:
        """Start a check as soon as possible, or return the check that waits or runs already."""
        with transaction.atomic():
            waiting = self.filter(ended_at=None).order_by("-pk").first()
            record_check = waiting or self.create(by=by)
            nudge("responses.prove", record_check.pk)
        return record_check


class RecordCheck(LeasedRow):
    """One run of the record check: which checks were made, and how many gaps each check found.

    night: the date of a nightly run in the workspace's time zone; None if a user started the
    run. found: check → number of open gaps. missed: check → why it could not be made.
    """

    night = models.DateField(null=True, unique=True)
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    found = models.JSONField(default=dict)
    missed = models.JSONField(default=dict)

    objects = RecordCheckQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["id"], name="record_check_due", condition=Q(ended_at=None))]

    def __str__(self) -> str:
        return f"Record check of {self.asked_at:%F %T}"

    def claim(self, *, now: datetime | None = None) -> bool:
        """Claim the run for one attempt; after too many attempts, end the run instead.

        Returns False if another process has claimed the run, or if the run has ended.
        """
        now = now or timezone.now()
        mine = RecordCheck.objects.filter(pk=self.pk)
        self.refresh_from_db()
        missed = self.missed | {"all": "The check started several times and never finished."}
        died = mine.due(now).filter(attempt__gte=MAX_ATTEMPTS)
        if died.update(ended_at=now, missed=missed):
            return False
        claimed = mine.claim(now=now, lease=LEASE, began_at=now)
        self.refresh_from_db()
        return bool(claimed)

    def note(self, check: str, *, found: int | None = None, missed: str = "") -> None:
        """Store the result of one check and extend the lease."""
        if found is None:
            self.missed[check] = missed
        else:
            self.missed.pop(check, None)
            self.found[check] = found
        self._mine().update(
            found=self.found, missed=self.missed, lease_until=timezone.now() + LEASE
        )

    def rest(self) -> None:
        """Release the claim, so that another attempt continues with the remaining checks."""
        if self._mine().update(lease_until=None):
            nudge("responses.prove", self.pk)

    def end(self) -> None:
        self._mine().update(ended_at=timezone.now(), lease_until=None)
        self.refresh_from_db()

    def _mine(self) -> RecordCheckQuerySet:
        # The fence is the number of the attempt: an attempt that has lost its lease changes
        # nothing.
        return RecordCheck.objects.fenced(self).filter(ended_at=None)


class GapQuerySet(models.QuerySet["Gap"]):
    def open(self) -> GapQuerySet:
        return self.filter(closed_at=None)


class Gap(models.Model):
    """Something that the record should have and does not have. Gaps are reported, never repaired.

    check_key: the check that found the gap. subject: the row that is missing, or the row that
    lacks something; it identifies the gap in later runs. there: kind of neighbouring row → its
    id. This is not a foreign key, because the neighbouring row may be missing too. words: what
    is missing.
    """

    check_key = models.CharField(max_length=30)
    subject = models.CharField(max_length=60)
    there = models.JSONField(default=dict)
    words = models.CharField(max_length=500)
    opened_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    objects = GapQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["check_key", "subject"],
                condition=Q(closed_at=None),
                name="gap_open_once",
            )
        ]
        indexes = [models.Index(fields=["-closed_at"], name="gap_closed")]

    def __str__(self) -> str:
        return self.words

    @classmethod
    @transaction.atomic
    def store(
        cls, check: str, found: dict[str, dict[str, Any]], *, all_of_them: bool, now: datetime
    ) -> None:
        """Store new gaps as open, and close gaps that were not found any more.

        found: subject → message and neighbouring rows. all_of_them: whether `found` has all
        gaps; only then, open gaps that are not in `found` are closed.
        """
        known = cls.objects.open().filter(check_key=check)
        known.filter(subject__in=found).update(seen_at=now)
        if all_of_them:
            known.exclude(subject__in=found).update(closed_at=now, seen_at=now)
        before = set(known.values_list("subject", flat=True))
        # Conflicts are ignored, because a run at the same time may have stored the same gap.
        Gap.objects.bulk_create(
            (
                Gap(check_key=check, subject=subject, opened_at=now, seen_at=now, **facts)
                for subject, facts in sorted(found.items())
                if subject not in before
            ),
            ignore_conflicts=True,
        )
