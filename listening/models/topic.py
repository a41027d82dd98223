from __future__ import annotations

from datetime import datetime

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from crm.triggers import append_only
from listening.matching import TopicQuery


class TopicQuerySet(models.QuerySet["Topic"]):
    def active(self) -> TopicQuerySet:
        return self.filter(is_active=True)

    def queries(self) -> list[TopicQuery]:
        """The current revisions of active topics, as the matcher takes them."""
        return [
            TopicQuery(
                key=revision.pk,
                any_of=tuple(revision.any_of),
                all_of=tuple(revision.all_of),
                none_of=tuple(revision.none_of),
            )
            for revision in TopicRevision.objects.filter(current_of__in=self.active())
        ]


@pghistory.track(
    model_name="TopicChange", fields=["name", "owner", "is_active", "current"], append_only=True
)
class Topic(models.Model):
    """What we listen for. Its words are in revisions; one of them is current."""

    name = models.CharField(max_length=120, unique=True)
    purpose = models.CharField(max_length=500, blank=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="topics")
    is_active = models.BooleanField(default=True)
    current = models.OneToOneField(
        "TopicRevision", models.PROTECT, null=True, related_name="current_of"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = TopicQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("listening:topic", args=[self.pk])

    @transaction.atomic
    def revise(
        self,
        *,
        any_of: list[str],
        all_of: list[str],
        none_of: list[str],
        by: User,
        now: datetime | None = None,
    ) -> TopicRevision:
        """Listen for these words from now on; what matched before keeps its revision."""
        Topic.objects.select_for_update().get(pk=self.pk)
        last = self.revisions.order_by("-number").first()
        self.current = self.revisions.create(
            number=last.number + 1 if last else 1,
            any_of=any_of,
            all_of=all_of,
            none_of=none_of,
            made_by=by,
            made_at=now or timezone.now(),
        )
        self.save(update_fields=["current"])
        return self.current


class TopicRevision(models.Model):
    """The words of a topic as somebody left them. Never changed."""

    topic = models.ForeignKey(Topic, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    any_of = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    all_of = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    none_of = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["topic", "number"], name="topic_revision_number")
        ]
        ordering = ["-number"]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.topic} (revision {self.number})"
