from __future__ import annotations

import uuid
from datetime import datetime

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from listening.matching import TopicQuery
from listening.sensitivity import Sensitivity
from scrm.channels.base import Terms
from scrm.db.append_only import append_only
from scrm.db.locks import locked


class TopicQuerySet(models.QuerySet["Topic"]):
    def active(self) -> TopicQuerySet:
        return self.filter(is_active=True)

    def queries(self) -> list[TopicQuery]:
        """Return the words of the active topics as input for the matcher."""
        return self.stamped_queries()[1]

    def stamped_queries(self) -> tuple[uuid.UUID | None, list[TopicQuery]]:
        """Return the stamp of the topics, and the words of the active topics.

        One SQL query reads both, so the words belong to this stamp. The stamp is None if no topic
        is active.
        """
        current = TopicRevision.objects.filter(current_of__in=self.active()).order_by("pk")
        stamp = models.Subquery(TopicStamp.objects.values("stamp")[:1])
        rows = list(current.values_list(stamp, "pk", "any_of", "all_of", "none_of"))
        queries = [TopicQuery(pk, *map(tuple, terms)) for _stamp, pk, *terms in rows]
        return (rows[0][0] if rows else None), queries


@pghistory.track(
    model_name="TopicChange", fields=["name", "owner", "is_active", "current"], append_only=True
)
class Topic(models.Model):
    """A subject to listen for.

    The words of a topic are stored in its revisions, one of which is the current revision.
    is_brand: whether the topic is our name or another word that most messages to us contain. Such
    a topic does not show that two messages are about the same matter.
    sensitivity: the kind of special care that cases about this topic need, or "".
    """

    name = models.CharField(max_length=120, unique=True)
    purpose = models.CharField(max_length=500, blank=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="topics")
    is_active = models.BooleanField(default=True)
    is_brand = models.BooleanField(default=False)
    sensitivity = models.CharField(max_length=20, choices=Sensitivity.choices, blank=True)
    current = models.OneToOneField(
        "TopicRevision", models.PROTECT, null=True, related_name="current_of"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = TopicQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        # This is a trigger, so that SQL outside Django changes the stamp too.
        triggers = [
            pgtrigger.Trigger(
                name="stamp",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert
                | pgtrigger.Update
                | pgtrigger.Delete
                | pgtrigger.Truncate,
                func="INSERT INTO listening_topicstamp VALUES (1, gen_random_uuid()) "
                "ON CONFLICT (id) DO UPDATE SET stamp = EXCLUDED.stamp; RETURN NULL;",
            )
        ]

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
        """Create a new revision and make it the current one.

        Existing matches keep their references to earlier revisions.
        """
        # Lock the topic: two admins who save at the same time would create the same revision
        # number.
        locked(Topic.objects.filter(pk=self.pk)).get()
        last = self.revisions.order_by("-number").first()
        self.current = self.revisions.create(
            number=last.number + 1 if last else 1,
            any_of=any_of,
            all_of=all_of,
            none_of=none_of,
            made_by=by,
            made_at=now or timezone.now(),
        )
        # Save only this column: the caller's object may have old values in other columns.
        self.save(update_fields=["current"])
        return self.current


class TopicRevision(models.Model):
    """The words of a topic between one edit and the next. A revision is never changed."""

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

    @property
    def terms(self) -> Terms:
        return Terms(tuple(self.any_of), tuple(self.all_of), tuple(self.none_of))

    def __str__(self) -> str:
        return f"{self.topic} (revision {self.number})"


class TopicStamp(models.Model):
    """A single row with a stamp, which changes with every SQL statement that changes topics.

    While the stamp is unchanged, a process can use the topics that it compiled before and need not
    read them again. The stamp is a random UUID and not a counter. A rollback would set a counter
    back, and the next change would get a number that a process may already have read. When a
    transaction changes a topic, it locks this row until its commit, so two changes never overlap.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    stamp = models.UUIDField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_topic_stamp")]

    def __str__(self) -> str:
        return str(self.stamp)
