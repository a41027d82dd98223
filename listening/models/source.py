from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pghistory
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, User
from scrm.channels.base import Channel, ChannelError, Json, Visit
from scrm.channels.registry import channel

if TYPE_CHECKING:
    from listening.models.poll import Poll

_LONGEST_PAUSE = timedelta(hours=6)
_FIRST_DAY, _FIRST_PACE = timedelta(days=1), 45.0
EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)
"""`cases_since` of a source of which all becomes work, even what bears no date."""


class SourceQuerySet(models.QuerySet["Source"]):
    def due(self, now: datetime) -> SourceQuerySet:
        """Active, their time has come, and no visit that may still be alive is under way."""
        return self.filter(is_active=True, next_poll_at__lte=now).filter(
            Q(lease_until=None) | Q(lease_until__lt=now)
        )

    @transaction.atomic
    def begin(self, *, now: datetime) -> Poll | None:
        """Claim the visit of that one of these that has been due longest, passing over those that
        somebody else is claiming at this moment. Commits before the fetch.

        Until its lease ends it is not due; whatever is due then for longer goes before it, so a
        source whose visits always kill their worker cannot keep the others waiting.
        """
        due = self.due(now).select_for_update(skip_locked=True, of=("self",))
        source = due.order_by("next_poll_at", "pk").first()
        if source is None:
            return None
        source.polls.filter(outcome="running").update(
            outcome="failed", ended_at=now, error="This fetch ended without a result."
        )
        source.current_poll = poll = source.polls.create(started_at=now)
        lease = timedelta(seconds=settings.POLL_LEASE_SECONDS)
        source.lease_until = source.next_poll_at = now + lease
        source.save(update_fields=["current_poll", "lease_until", "next_poll_at"])
        return poll

    def open_for_new_accounts(self, *, now: datetime) -> None:
        """What of an account is listened to as soon as it is connected, where it is not yet."""
        # Without their secrets: the tick must go on where no key opens them.
        new = Account.objects.active().filter(sources=None).defer("secrets").order_by("pk")
        for account in new:
            channel = account.channel
            address = channel.own_source or (account.address if channel.own_ground else "")
            if address:
                self.get_or_create(
                    kind=account.kind,
                    address=address,
                    account=account,
                    defaults={
                        "name": f"{channel.label}: {account.address}"[:200],
                        "stance": Source.Stance.FOR_US,
                        "owner": account.owner,
                        "rhythm": 60,
                        "created_at": now,
                    },
                )


@pghistory.track(
    model_name="SourceChange",
    fields=["name", "address", "stance", "is_active", "rhythm", "owner", "account"],
    append_only=True,
)
class Source(models.Model):
    """One thing visited again and again.

    stance: for us (every item is kept and routed) or about us (only what a topic matches).
    cursor: where the last visit ended, in the listener's own words. cases_since: what was
    said before stays out of the inbox. current_poll fences off a visit that woke up late.
    """

    class Stance(models.TextChoices):
        FOR_US = "for us", "For us: every item becomes work"
        ABOUT_US = "about us", "About us: only what a topic matches becomes work"

    kind = models.CharField("channel", max_length=30)
    address = models.CharField(max_length=1000)
    name = models.CharField(max_length=200)
    stance = models.CharField(max_length=10, choices=Stance.choices, default=Stance.ABOUT_US)
    account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="sources"
    )
    owner = models.ForeignKey(User, models.PROTECT, related_name="sources")
    is_active = models.BooleanField(default=True)
    rhythm = models.PositiveIntegerField("seconds between visits", default=300)
    created_at = models.DateTimeField(default=timezone.now)
    cases_since = models.DateTimeField()

    cursor = models.JSONField(default=dict)
    next_poll_at = models.DateTimeField(default=timezone.now)
    current_poll = models.ForeignKey("Poll", models.PROTECT, null=True, related_name="+")
    lease_until = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "address", "account"],
                nulls_distinct=False,
                name="source_once_an_address",
            )
        ]
        indexes = [
            models.Index(fields=["next_poll_at"], name="source_due", condition=Q(is_active=True))
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("listening:source", args=[self.pk])

    def save(self, *args: object, **kwargs: object) -> None:
        self.cases_since = self.cases_since or self.created_at - timedelta(days=1)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def channel(self) -> Channel:
        return channel(self.kind)

    def begin(self, *, now: datetime) -> Poll | None:
        """Claim its visit, if it is due and nobody else is at it."""
        return Source.objects.filter(pk=self.pk).begin(now=now)

    def went_well(self, *, cursor: Json, next_after: float | None, now: datetime) -> None:
        """Give the claim back, keep the cursor, come again in a while. Under the fence."""
        self.cursor, self.last_ok_at = dict(cursor), now
        self.failures, self.error = 0, ""
        self._come_again(self.pace(next_after, now=now), now)

    def went_wrong(self, error: ChannelError, *, now: datetime) -> None:
        """Give the claim back and say why; the cursor stays. Under the fence."""
        self.failures, self.error = self.failures + 1, error.message
        self._come_again(self.pause_after_failure(error), now)

    def pace(self, asked: float | None, *, now: datetime) -> float:
        """Seconds until the next visit: at our rhythm, or as seldom as the other side asked.

        In its first day our own is 45 at most, so that the next item is seen within a minute.
        Where more waits there than one visit brings home, the next one follows at once.
        """
        if asked == 0:
            return 0.0
        is_new = now - self.created_at < _FIRST_DAY
        return max(min(self.rhythm, _FIRST_PACE) if is_new else self.rhythm, asked or 0)

    def _come_again(self, seconds: float, now: datetime) -> None:
        self.lease_until = None
        self.next_poll_at = now + timedelta(seconds=seconds)
        self.save(
            update_fields=[
                "cursor", "last_ok_at", "failures", "error", "lease_until", "next_poll_at",
            ]
        )  # fmt: skip

    def pause_after_failure(self, error: ChannelError) -> float:
        """Seconds until the next try: as asked, else doubling from the rhythm to 6 hours."""
        longest = _LONGEST_PAUSE.total_seconds()
        if error.retry_after is not None:
            return min(max(error.retry_after, self.rhythm), 24 * 3600)
        if error.permanent:
            return longest
        return min(self.rhythm * 2.0 ** min(self.failures, 16), longest)

    def poll_now(self, *, now: datetime | None = None) -> None:
        self.next_poll_at = now or timezone.now()
        self.save(update_fields=["next_poll_at"])

    @property
    def visit(self) -> Visit:
        """What the listener is given for the next visit."""
        credentials = self.account.credentials if self.account else None
        return Visit(address=self.address, cursor=self.cursor, credentials=credentials)
