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
"""Longer than the hard limit of a task, so that a lapsed lease means death."""
MAX_ATTEMPTS = 60
"""Each makes some checks or loses one, so more of them are only made where the database is away."""
NIGHT_BEGINS = 2
"""The hour of the workspace from which on its night's proof is due."""


class ProofQuerySet(LeaseQuerySet["Proof"]):
    def due(self, now: datetime) -> ProofQuerySet:
        """Not ended, and no living worker has it."""
        return super().due(now).filter(ended_at=None)

    def call_for_the_night(self, now: datetime) -> None:
        """From two o'clock on there is one of this day, and with it the sweep of files.

        Two beats that call at once make one.
        """
        here = Workspace.objects.here()
        local = timezone.localtime(now, here.tzinfo if here else timezone.get_default_timezone())
        if local.hour >= NIGHT_BEGINS and not self.filter(night=local.date()).exists():
            proof = Proof(night=local.date(), asked_at=now)
            self.bulk_create([proof], ignore_conflicts=True)
            nudge("responses.sweep")

    def ask(self, *, by: User | None = None) -> Proof:
        """One as soon as possible; the one that waits or runs already, if there is one."""
        with transaction.atomic():
            waiting = self.filter(ended_at=None).order_by("-pk").first()
            proof = waiting or self.create(by=by)
            nudge("responses.prove", proof.pk)
        return proof


class Proof(LeasedRow):
    """One look at the whole record: which checks were made, and how many holes each has.

    night: the workspace's day, for the one of each night; None for one that somebody asked for.
    found: check → open holes. missed: check → why it could not be made.
    """

    night = models.DateField(null=True, unique=True)
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    found = models.JSONField(default=dict)
    missed = models.JSONField(default=dict)

    objects = ProofQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["id"], name="proof_due", condition=Q(ended_at=None))]

    def __str__(self) -> str:
        return f"Proof of {self.asked_at:%F %T}"

    def claim(self, *, now: datetime | None = None) -> bool:
        """Take it. False if somebody is at it, or it ended; given up after too many tries."""
        now = now or timezone.now()
        mine = Proof.objects.filter(pk=self.pk)
        self.refresh_from_db()
        missed = self.missed | {"all": "It was begun often and never ended."}
        died = mine.due(now).filter(attempt__gte=MAX_ATTEMPTS)
        if died.update(ended_at=now, missed=missed):
            return False
        claimed = mine.claim(now=now, lease=LEASE, began_at=now)
        self.refresh_from_db()
        return bool(claimed)

    def note(self, check: str, *, found: int | None = None, missed: str = "") -> None:
        """Keep what came of one check, and the claim."""
        if found is None:
            self.missed[check] = missed
        else:
            self.missed.pop(check, None)
            self.found[check] = found
        self._mine().update(
            found=self.found, missed=self.missed, lease_until=timezone.now() + LEASE
        )

    def rest(self) -> None:
        """Let another try go on with what is left."""
        if self._mine().update(lease_until=None):
            nudge("responses.prove", self.pk)

    def end(self) -> None:
        self._mine().update(ended_at=timezone.now(), lease_until=None)
        self.refresh_from_db()

    def _mine(self) -> ProofQuerySet:
        return Proof.objects.fenced(self).filter(ended_at=None)


class HoleQuerySet(models.QuerySet["Hole"]):
    def open(self) -> HoleQuerySet:
        return self.filter(closed_at=None)


class Hole(models.Model):
    """Something that the record should hold and does not. Only told of, never mended.

    check_key: which check found it. subject: the row that is missing, or that lacks one, so that
    the same hole is known again. there: what stands next to it → its key; bare numbers, because
    what they name may itself be gone. words: what is missing.
    """

    check_key = models.CharField(max_length=30)
    subject = models.CharField(max_length=60)
    there = models.JSONField(default=dict)
    words = models.CharField(max_length=500)
    opened_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    objects = HoleQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["check_key", "subject"],
                condition=Q(closed_at=None),
                name="hole_open_once",
            )
        ]
        indexes = [models.Index(fields=["-closed_at"], name="hole_closed")]

    def __str__(self) -> str:
        return self.words

    @classmethod
    @transaction.atomic
    def put_down(
        cls, check: str, found: dict[str, dict[str, Any]], *, all_of_them: bool, now: datetime
    ) -> None:
        """Open what is new, and close what is gone; subject → words and what stands next to it.

        all_of_them: `found` is complete, so that what it lacks is gone.
        """
        known = cls.objects.open().filter(check_key=check)
        known.filter(subject__in=found).update(seen_at=now)
        if all_of_them:
            known.exclude(subject__in=found).update(closed_at=now, seen_at=now)
        before = set(known.values_list("subject", flat=True))
        Hole.objects.bulk_create(
            (
                Hole(check_key=check, subject=subject, opened_at=now, seen_at=now, **facts)
                for subject, facts in sorted(found.items())
                if subject not in before
            ),
            ignore_conflicts=True,
        )
