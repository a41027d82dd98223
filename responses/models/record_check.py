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
        """Return the unfinished runs that no other process is working on."""
        return super().due(now).filter(ended_at=None)

    def start_nightly(self, now: datetime) -> None:
        """Create tonight's run and start the file cleanup, if it is after NIGHT_BEGINS.

        Nothing is done if tonight's run exists already. If two processes call this at the same
        time, only one run is created.
        """
        here = Workspace.objects.here()
        local = timezone.localtime(now, here.tzinfo if here else timezone.get_default_timezone())
        if local.hour >= NIGHT_BEGINS and not self.filter(night=local.date()).exists():
            record_check = RecordCheck(night=local.date(), asked_at=now)
            self.bulk_create([record_check], ignore_conflicts=True)
            nudge("responses.sweep")

    def ask(self, *, by: User | None = None) -> RecordCheck:
        """Create a run that starts as soon as possible, and return it.

        If a run is waiting or in progress, that run is returned instead.
        """
        with transaction.atomic():
            waiting = self.filter(ended_at=None).order_by("-pk").first()
            record_check = waiting or self.create(by=by)
            nudge("responses.prove", record_check.pk)
        return record_check


class RecordCheck(LeasedRow):
    """One run of the record check, with the result of each single check.

    `night` is the date of a nightly run in the workspace's time zone; it is None if a user started
    the run. `found` maps each check to the number of gaps that it found. `missed` maps each check
    that did not finish to the reason.
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
        """Claim the run for one attempt.

        Returns False if another process has claimed the run, or if the run has ended. After
        MAX_ATTEMPTS attempts, this method ends the run instead of claiming it, and also returns
        False.
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
        """Store the result of one check, and extend the lease of the run."""
        if found is None:
            self.missed[check] = missed
        else:
            self.missed.pop(check, None)
            self.found[check] = found
        self._mine().update(
            found=self.found, missed=self.missed, lease_until=timezone.now() + LEASE
        )

    def rest(self) -> None:
        """Release the claim, and start a task that continues with the remaining checks."""
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
    """Something that is missing from the record. Gaps are only reported, never repaired.

    `check_key` names the check that found the gap. `subject` is the row that is missing, or the row
    that lacks something. Later runs recognise the gap by its subject.

    A neighbouring row is a row that shows where the gap is, for example the case of the subject.
    `there` maps the kind of each neighbouring row to the id of the row. These ids are not foreign
    keys, because a neighbouring row may be missing too. `words` is a message that says what is
    missing.
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
        """Store the gaps that a check found, and close the gaps that no longer exist.

        `found` maps the subject of each gap to its message and neighbouring rows. `all_of_them`
        says whether `found` contains every gap. If it does not, no gap is closed.
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
