from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q
from django.utils import timezone

from crm.models import Account, Attachment, Interaction
from listening.models.source import Fetch, Source
from listening.models.topic import TopicRevision
from scrm.channels.base import Author
from scrm.db.append_only import frozen
from scrm.db.claim import LeasedRow, LeaseQuerySet

RISKY = 2
"""A mention that was processed this often without a result is then processed alone."""
HOPELESS = 10
"""A mention that was processed this often without a result is then quarantined."""
MAX_MENTIONS_PER_BATCH = 500


class MentionQuerySet(LeaseQuerySet["Mention"]):
    def by_others(self) -> MentionQuerySet:
        """Leave out what our own accounts wrote."""
        ours = Account.objects.exclude(self_key="").filter(
            network=OuterRef("author_network"), self_key=OuterRef("author_key")
        )
        return self.filter(~Exists(ours))

    def unprocessed(self) -> MentionQuerySet:
        return self.filter(processed_at=None)

    def due(self, now: datetime) -> MentionQuerySet:
        """Return the unprocessed mentions that no worker has claimed, or whose lease has lapsed."""
        return super().due(now).unprocessed()

    def backlog_of(self, source: Source) -> MentionQuerySet:
        """Return the mentions of a source's backlog.

        The backlog contains the items that are older than the date from which the source opens
        cases.
        """
        return self.filter(sightings__source=source, backlog=True)

    def bring_in(self) -> int:
        """Make these mentions due and no longer part of the backlog, so that they may open cases.

        Returns the number of mentions.
        """
        return self.update(backlog=False, processed_at=None, attempt=0, lease_until=None)

    def claim_batch(
        self, *, now: datetime, lease: timedelta, most: int | None = None
    ) -> list[Mention]:
        """Claim the oldest due mentions and return them.

        most: the largest number of mentions; if it is None, `MAX_MENTIONS_PER_BATCH`.
        If a mention was claimed repeatedly without a result, it is claimed alone. It may kill the
        worker, and would then delay the other mentions of the batch.
        """

        def risky_alone(mentions: list[Mention]) -> list[Mention]:
            return [mention for mention in mentions if mention.attempt >= RISKY][:1] or mentions

        return self.claim(
            now=now, lease=lease, most=most or MAX_MENTIONS_PER_BATCH, choose=risky_alone
        )


class Mention(LeasedRow):
    """One item found online, exactly as it was found; only the state of its processing changes.

    scope, key: see `scrm.channels.base.Item`.
    backlog: whether the item belongs to the backlog of its source: it is older than `cases_since`
    of the source, or it has no date and the first successful fetch found it. An item of the backlog
    is stored and matched but opens no case. If an edit
    matches a topic that no earlier text matched, the item is recorded and no longer belongs to the
    backlog.
    author_about: the facts about the author that have no column: verified, bio, place, language.
    mentioned: the keys of the profiles that the item mentions.
    details: the facts of a call; see `scrm.channels.base.Item`.
    processed_at, attempt, lease_until: the state of the processing.
    interaction: the ledger row of the item; None if the item is not recorded in the ledger.
    unrecorded_changes: how many edits were counted but not stored, because the item changed too
    often; see `listening.changes`.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    scope = models.CharField(max_length=600)
    key = models.CharField(max_length=1000)
    fetch = models.ForeignKey(Fetch, models.PROTECT, related_name="mentions")
    author_network = models.CharField(max_length=600)
    author_key = models.CharField(max_length=1000)
    author_handle = models.CharField(max_length=300, blank=True)
    author_name = models.CharField(max_length=300, blank=True)
    author_url = models.CharField(max_length=1000, blank=True)
    author_reach = models.BigIntegerField(null=True)
    author_about = models.JSONField(default=dict)
    kind = models.CharField(max_length=30)
    visibility = models.CharField(max_length=10)
    thread_key = models.CharField(max_length=1000, blank=True)
    in_reply_to = models.CharField(max_length=1000, blank=True)
    mentioned = ArrayField(models.CharField(max_length=1000), default=list)
    quotes = models.CharField(max_length=1000, blank=True)
    title = models.TextField(blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    url = models.CharField(max_length=2000, blank=True)
    language = models.CharField(max_length=20, blank=True)
    other_address = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)
    raw = models.BinaryField(default=bytes)
    occurred_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(default=timezone.now)
    sort_at = models.GeneratedField(
        expression=Func(F("occurred_at"), F("recorded_at"), function="LEAST"),
        output_field=models.DateTimeField(),
        db_persist=True,
    )

    backlog = models.BooleanField(default=False)
    processed_at = models.DateTimeField(null=True)
    interaction = models.OneToOneField(
        Interaction, models.PROTECT, null=True, related_name="mention"
    )

    unrecorded_changes = models.PositiveIntegerField(default=0)

    objects = MentionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="mention_once")]
        indexes = [
            models.Index(fields=["id"], name="mention_unprocessed", condition=Q(processed_at=None)),
            models.Index(fields=["-sort_at", "-id"], name="mention_newest"),
        ]
        triggers = frozen(
            "scope", "key", "author_network", "author_key", "title", "text", "html", "raw",
            "occurred_at", "recorded_at", "in_reply_to", "thread_key", "visibility",
            "other_address", "mentioned", "quotes", "details",
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"

    @property
    def author(self) -> Author:
        return Author(
            network=self.author_network,
            key=self.author_key,
            handle=self.author_handle,
            name=self.author_name,
            url=self.author_url,
            reach=self.author_reach,
            **self.author_about,
        )


class Enclosure(models.Model):
    """A file that came with a mention.

    As soon as the mention is recorded in the ledger, the file is attached to the interaction of the
    mention.
    """

    mention = models.ForeignKey(Mention, models.PROTECT, related_name="enclosures")
    attachment = models.OneToOneField(Attachment, models.PROTECT, related_name="enclosure")

    def __str__(self) -> str:
        return str(self.attachment)


class SightingQuerySet(models.QuerySet["Sighting"]):
    def decisive(self) -> dict[int, Source]:
        """Return a dict from mention id to the source that decides how the mention is treated.

        Sources whose items are addressed to us take precedence over sources that are about us.
        Among sources with the same precedence, the source that found the mention first decides.
        """
        # The dict keeps the last row of a mention. "for us" sorts after "about us", and among the
        # rows of equal stance the oldest comes last.
        ordered = self.select_related("source").order_by("source__stance", "-pk")
        return {sighting.mention_id: sighting.source for sighting in ordered}


class Sighting(models.Model):
    """The fact that a source found a mention.

    fetch: the first fetch in which the source found the mention.
    content_hash: the digest of `Item.content_hash` as this source last showed it; None if unknown.
    It is stored per source, because a feed and an API show the same item in different forms.
    content_hash_at: when `content_hash` was stored; None if that was before this field existed.
    """

    mention = models.ForeignKey(Mention, models.PROTECT, related_name="sightings")
    source = models.ForeignKey(Source, models.PROTECT, related_name="sightings")
    fetch = models.ForeignKey(Fetch, models.PROTECT, related_name="sightings")
    at = models.DateTimeField(default=timezone.now)
    content_hash = models.BinaryField(max_length=32, null=True)
    content_hash_at = models.DateTimeField(null=True)

    objects = SightingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mention", "source"], name="sighting_once_a_source")
        ]
        indexes = [models.Index(fields=["source", "-mention"], name="sighting_of_source")]


class Match(models.Model):
    """A topic revision that matched a mention or an offline interaction.

    mention: None for an offline interaction.
    interaction: the ledger row; None if the mention was not recorded in the ledger.
    spans: the positions of the hits as [["text", start, end], …], in code points.
    """

    mention = models.ForeignKey(Mention, models.PROTECT, null=True, related_name="matches")
    interaction = models.ForeignKey(
        Interaction, models.PROTECT, null=True, db_index=False, related_name="matches"
    )
    revision = models.ForeignKey(TopicRevision, models.PROTECT, related_name="matches")
    spans = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mention", "revision"], name="match_once"),
            models.UniqueConstraint(
                fields=["interaction", "revision"], name="match_once_in_the_ledger"
            ),
            models.CheckConstraint(
                condition=Q(mention__isnull=False) | Q(interaction__isnull=False),
                name="match_of_something",
            ),
        ]
