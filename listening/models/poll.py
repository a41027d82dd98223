from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone

from listening.models.source import Source


class Poll(models.Model):
    """One visit to one source: what was tried, what came of it, how much was found."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        OK = "ok", "Something came"
        UNCHANGED = "unchanged", "Nothing new"
        FAILED = "failed", "Failed"
        DISCARDED = "discarded", "Overtaken by another visit"

    source = models.ForeignKey(Source, models.PROTECT, related_name="polls")
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    found = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    apart = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField("bytes", default=0)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["source", "-started_at"], name="poll_of_source")]
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.source} at {self.started_at:%F %T}"

    def fence(self) -> Source | None:
        """The source, locked, if this visit is still its current one; else nothing counts."""
        source = Source.objects.select_for_update(of=("self",)).filter(current_poll=self).first()
        if source is None:
            self.outcome, self.ended_at = Poll.Outcome.DISCARDED, timezone.now()
            mine = Poll.objects.filter(pk=self.pk)  # no row anew, should it be gone altogether
            mine.update(outcome=self.outcome, ended_at=self.ended_at)
        return source

    def end(self, outcome: Poll.Outcome, *, now: datetime, error: str = "") -> None:
        self.outcome, self.ended_at, self.error = outcome, now, error
        self.save()


class SetApart(models.Model):
    """An item that could not be stored or processed: its raw bytes and the reason."""

    poll = models.ForeignKey(Poll, models.PROTECT, related_name="set_apart")
    mention = models.OneToOneField("Mention", models.PROTECT, null=True, related_name="set_apart")
    raw = models.BinaryField()
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    replayed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return self.reason
