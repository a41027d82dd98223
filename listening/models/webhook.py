"""The secrets with which senders sign their deliveries to a source, and the latest deliveries."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import User
from listening.models.source import Fetch, Source
from scrm.db.encrypted import EncryptedJSONField

MAX_KEPT = 500
"""Deliveries that are kept for each source; older ones are removed."""
MIN_AGE = timedelta(minutes=10)
"""Younger deliveries are always kept.

This is twice the replay window, so that a copied delivery is recognised until it is too old.
"""
RATE, RATE_SECONDS = 100, 10
"""A source accepts this many signed deliveries in this many seconds."""


class WebhookSecret(models.Model):
    """A secret of a source. A delivery may be signed with any secret of its source.

    During a rotation a source has two secrets, until the old one is removed.
    """

    source = models.ForeignKey(Source, models.PROTECT, related_name="webhook_secrets")
    secret = EncryptedJSONField()
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.source}, {self.made_at:%F %T}"


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def signed(self) -> WebhookDeliveryQuerySet:
        """Return the deliveries that have a row of their own."""
        return self.filter(hour=None)

    def is_too_fast(self, *, now: datetime) -> bool:
        """Return whether no further delivery may be accepted now."""
        since = now - timedelta(seconds=RATE_SECONDS)
        return self.signed().filter(at__gt=since)[:RATE].count() >= RATE

    def prune(self, *, now: datetime) -> None:
        """Remove the oldest rows of one source, so that the table stays small."""
        last = self.order_by("-pk").values_list("pk", flat=True)[MAX_KEPT : MAX_KEPT + 1].first()
        if last:
            self.filter(pk__lte=last, at__lt=now - MIN_AGE).delete()


class WebhookDelivery(models.Model):
    """One delivery to a source and its fate, or the number of refused deliveries in one hour.

    Only a delivery with a valid signature has a row of its own. All others are only counted,
    because everybody who knows the address of a source can send them.

    webhook_id: the id that the sender gave to the delivery; "" if deliveries are counted.
    hour: the hour in which deliveries are counted; None for a single delivery.
    times: the number of counted deliveries.
    reasons: sentences that say why the (latest) delivery was refused.
    fetch: the fetch that stored the items of an accepted delivery, else None.
    """

    class Fate(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        DUPLICATE = "duplicate", _("Duplicate")
        INVALID = "invalid", _("Invalid")
        FORGED = "forged", _("Signature refused")
        TOO_OLD = "too old", _("Time refused")
        TOO_FAST = "too fast", _("Too many at once")
        PAUSED = "paused", _("Source was paused")

    source = models.ForeignKey(Source, models.PROTECT, related_name="webhook_deliveries")
    fate = models.CharField(max_length=12, choices=Fate.choices)
    webhook_id = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()
    hour = models.DateTimeField(null=True)
    times = models.PositiveIntegerField(default=1)
    size = models.PositiveIntegerField("bytes", default=0)
    reasons = models.JSONField(default=list)
    fetch = models.OneToOneField(Fetch, models.PROTECT, null=True, related_name="webhook_delivery")

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "webhook_id"],
                condition=models.Q(fate="accepted"),
                name="webhook_delivery_once",
            ),
            models.UniqueConstraint(
                fields=["source", "fate", "hour"], name="webhook_count_once_an_hour"
            ),
        ]
        indexes = [models.Index(fields=["source", "-at"], name="webhook_delivery_of_source")]
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.source} at {self.at:%F %T}: {self.fate}"

    @classmethod
    def count(cls, source: Source, fate: str, reason: str, *, size: int, now: datetime) -> None:
        """Count a refused delivery in the row of this hour."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO listening_webhookdelivery AS counted "
                "(source_id, fate, webhook_id, at, hour, times, size, reasons) "
                "VALUES (%s, %s, '', %s, %s, 1, %s, jsonb_build_array(%s::text)) "
                "ON CONFLICT (source_id, fate, hour) DO UPDATE SET at = EXCLUDED.at, "
                "times = counted.times + 1, size = EXCLUDED.size, reasons = EXCLUDED.reasons",
                [source.pk, fate, now, hour, size, reason],
            )
        source.webhook_deliveries.all().prune(now=now)
