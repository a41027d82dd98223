"""Sources and their fetches. A source is fetched regularly, and each fetch is stored as a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pghistory
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, User
from listening.models.topic import Topic
from scrm.channels.base import ChannelError, Credentials, FetchRequest, Json
from scrm.channels.channel import Channel
from scrm.channels.registry import UNFETCHED_KINDS, channel
from scrm.channels.search_query import SEARCH
from scrm.db.claim import LeasedRow, LeaseQuerySet
from scrm.db.encrypted import seal, unseal
from scrm.db.locks import locked
from scrm.net.secret_addresses import MARK, separate

MAX_PAUSE = timedelta(hours=6)
FIRST_DAY = timedelta(days=1)
FIRST_DAY_INTERVAL = 45.0
"""Seconds between fetches on a source's first day, so that new items appear within a minute."""
HEAD_START = timedelta(seconds=10)
"""After a budget is renewed, sources addressed to us are fetched so much earlier than others."""
EVENT_PAUSE = timedelta(minutes=1)
"""Events make a source due at most so often."""
EVENT_RHYTHM = 600.0
"""Seconds between fetches of a source with events, in case an event is lost."""
EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)
"""The `cases_since` of a source whose items may all open cases, even items without a date."""


class SourceQuerySet(LeaseQuerySet["Source"]):
    def fetched(self) -> SourceQuerySet:
        """Return the sources that scrm fetches, without those whose items are imported."""
        return self.exclude(kind__in=UNFETCHED_KINDS)

    def due(self, now: datetime) -> SourceQuerySet:
        """Return the active sources whose next fetch is due and that no worker has claimed."""
        return super().due(now).fetched().filter(is_active=True, next_fetch_at__lte=now)

    def waiting_for_budget(self) -> SourceQuerySet:
        """Return the active sources that are not fetched because a budget is used up."""
        return self.filter(is_active=True, failures=0).exclude(error="")

    @transaction.atomic
    def start_fetch(self, *, now: datetime) -> Fetch | None:
        """Claim the source that has been due longest, and record a new fetch of it.

        `next_fetch_at` is set to the end of the lease. Thus, if the workers of a source always die,
        the source is not due again before the lease ends, and it does not delay the other sources.
        Returns None if no source is due.
        """
        lease = timedelta(seconds=settings.FETCH_LEASE_SECONDS)
        order = ("next_fetch_at", "pk")
        claimed = self.claim(now=now, lease=lease, order_by=order, next_fetch_at=now + lease)
        if not claimed:
            return None
        source = claimed[0]
        # If another fetch is still marked as running, its worker died or lost its lease.
        source.fetches.filter(outcome=Fetch.Outcome.RUNNING).update(
            outcome=Fetch.Outcome.FAILED, ended_at=now, error="This fetch ended without a result."
        )
        return source.fetches.create(attempt=source.attempt, started_at=now)


@pghistory.track(
    model_name="SourceChange",
    fields=["name", "address", "stance", "is_active", "rhythm", "owner", "account"],
    append_only=True,
)
class Source(LeasedRow):
    """A place that is fetched regularly (a feed, a mailbox, a search), or that sends items to us.

    address: the address that is fetched; of a webhook, the UUID in the URL to which items are sent.
    Secret parts of the address, such as the token of a private feed, are replaced by marks.
    sealed_secrets: the encrypted secret parts of the address, or "".
    stance: FOR_US if the items are addressed to us; then every item opens or updates a case.
    ABOUT_US if the items are about us; then only items that match a topic open or update a case.
    rhythm: the number of seconds between fetches.
    cursor: the position at which the last fetch ended, in the format of the channel.
    cases_since: the date from which the source opens cases. An older item opens no case.
    topic: the topic whose words the source searches for; None if the source searches for no topic.
    daily_budget: the most that fetches may cost in one day (UTC), in millionths of a US dollar;
    None if only the budget of the account limits them.
    error: why the last fetch failed, or why the source waits for a budget; else "".
    sealed_headers: the encrypted HTTP headers that an admin has set, or "".
    last_new_at: when a fetch last found something new. longest_silence, longest_outage: the longest
    times so far without anything new, and without a successful fetch; see `listening.gaps`.
    failing_since, gone_since: the first failure, and the first answer that the source was removed,
    since the last success, or None. gap_noticed_at, outage_noticed_at: when the owner was notified
    that the present silence or outage is the longest so far, or None.
    """

    class Stance(models.TextChoices):
        FOR_US = "for us", "Addressed to us: every item opens or updates a case"
        ABOUT_US = "about us", "About us: only items that match a topic open or update a case"

    kind = models.CharField("channel", max_length=30)
    address = models.CharField(max_length=1000)
    name = models.CharField(max_length=200)
    stance = models.CharField(max_length=10, choices=Stance.choices, default=Stance.ABOUT_US)
    account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="sources"
    )
    topic = models.ForeignKey(Topic, models.PROTECT, null=True, related_name="sources")
    owner = models.ForeignKey(User, models.PROTECT, related_name="sources")
    is_active = models.BooleanField(default=True)
    rhythm = models.PositiveIntegerField("seconds between fetches", default=300)
    daily_budget = models.PositiveBigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    cases_since = models.DateTimeField()

    sealed_secrets = models.TextField(blank=True)
    cursor = models.JSONField(default=dict)
    next_fetch_at = models.DateTimeField(default=timezone.now)
    last_ok_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    sealed_headers = models.TextField(blank=True)
    last_new_at = models.DateTimeField(null=True)
    longest_silence = models.DurationField(default=timedelta)
    longest_outage = models.DurationField(default=timedelta)
    gap_noticed_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    gone_since = models.DateTimeField(null=True)
    outage_noticed_at = models.DateTimeField(null=True)

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
            models.Index(fields=["next_fetch_at"], name="source_due", condition=Q(is_active=True))
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

    @property
    def is_fetched(self) -> bool:
        """Whether scrm fetches this source; other sources are imported or sent to us."""
        return self.channel.listener is not None

    @property
    def is_pushed(self) -> bool:
        """Whether the items of this source are sent to us by webhook."""
        return self.channel.is_pushed

    def start_fetch(self, *, now: datetime) -> Fetch | None:
        """Claim this source and return a new fetch.

        Returns None if the source is not due, or if another worker has claimed the source.
        """
        return Source.objects.filter(pk=self.pk).start_fetch(now=now)

    def record_success(self, *, cursor: Json, next_after: float | None, now: datetime) -> None:
        """Store the cursor, release the lease and schedule the next fetch.

        Call this only in the transaction in which `Fetch.fence` has locked the source.
        """
        self.cursor, self.last_ok_at = dict(cursor), now
        self.failures, self.error = 0, ""
        self._schedule(self.interval(next_after, now=now), now)

    def record_failure(self, error: ChannelError, *, now: datetime) -> None:
        """Store the error, release the lease and schedule a retry. The cursor is not changed.

        Call this only in the transaction in which `Fetch.fence` has locked the source.
        """
        self.failures, self.error = self.failures + 1, error.message
        self._schedule(self.pause_after_failure(error), now)

    def record_delivery(self, *, now: datetime, error: str = "") -> None:
        """Store whether the last delivery to this source was valid.

        Call this only while the source is locked.
        """
        if error:
            self.failures, self.error = self.failures + 1, error
        else:
            self.failures, self.error, self.last_ok_at = 0, "", now
        self.save(update_fields=["failures", "error", "last_ok_at"])

    def record_waiting(self, reason: str, *, until: datetime, now: datetime) -> None:
        """Store why the source is not fetched until then, and release the lease. This is no error.

        Call this only in the transaction in which `Fetch.fence` has locked the source.
        """
        self.failures, self.error = 0, reason
        self._schedule((until + self.head_start - now).total_seconds(), now)

    @property
    def waits_for_budget(self) -> bool:
        return bool(self.error) and not self.failures

    @property
    def head_start(self) -> timedelta:
        """How long after the renewal of a budget this source is fetched again.

        Items that are addressed to us are fetched first.
        """
        return timedelta(0) if self.stance == Source.Stance.FOR_US else HEAD_START

    def interval(self, asked: float | None, *, now: datetime) -> float:
        """Return the number of seconds until the next fetch.

        This is the interval of the source; on the source's first day it is at most
        FIRST_DAY_INTERVAL. If the network asked for a longer time, that time is used.
        asked: the number of seconds that the listener returned; None if the network did not say. If
        it is 0, more items are waiting: then the result is 0, and the next fetch starts
        immediately.
        """
        if asked == 0:
            return 0.0
        if self.has_events:
            is_late = self.webhook_deliveries.filter(fate="accepted", at__gte=self.fetched_at)
            after_event = (self.fetched_at + EVENT_PAUSE - now).total_seconds()
            rhythm = after_event if is_late.exists() else max(self.rhythm, EVENT_RHYTHM)
        else:
            is_new = now - self.created_at < FIRST_DAY
            rhythm = min(self.rhythm, FIRST_DAY_INTERVAL) if is_new else self.rhythm
        return max(rhythm, asked or 0)

    @property
    def has_events(self) -> bool:
        """Whether the network sends us an event when this source has something new."""
        events = self.channel.events
        if events is None or self.account_id is None or self.address not in events.addresses:
            return False
        return Account.objects.filter(pk=self.account_id, config__has_key="events").exists()

    @property
    def fetched_at(self) -> datetime:
        """When the last fetch of this source began."""
        last = self.fetches.first()
        return last.started_at if last else self.created_at

    def _schedule(self, seconds: float, now: datetime) -> None:
        self.lease_until = None
        self.next_fetch_at = now + timedelta(seconds=seconds)
        self.save(
            update_fields=[
                "cursor", "last_ok_at", "failures", "error", "lease_until", "next_fetch_at",
                "is_active", "last_new_at", "longest_silence", "longest_outage", "gap_noticed_at",
                "failing_since", "gone_since", "outage_noticed_at",
            ]
        )  # fmt: skip

    def pause_after_failure(self, error: ChannelError) -> float:
        """Return the number of seconds until the retry after a failed fetch.

        If the network asked us to wait, the result is the time that it asked for, but not less than
        the interval of the source and not more than 24 hours. Otherwise, the result after a
        permanent error is 6 hours. After other errors, the result begins with twice the interval of
        the source and doubles with each further failure, up to 6 hours.
        """
        longest = MAX_PAUSE.total_seconds()
        if error.retry_after is not None:
            return min(max(error.retry_after, self.rhythm), 24 * 3600)
        if error.permanent:
            return longest
        return min(self.rhythm * 2.0 ** min(self.failures, 16), longest)

    def fetch_now(self, *, now: datetime | None = None) -> None:
        self.next_fetch_at = now or timezone.now()
        self.save(update_fields=["next_fetch_at"])

    @property
    def secrets(self) -> dict[str, str]:
        """The secret parts of the address by their marks. Raises ChannelError."""
        try:
            return dict(unseal(self.sealed_secrets)) if self.sealed_secrets else {}
        except ValueError as error:
            message = f"The token cannot be decrypted. Enter the address again. {error}"
            raise ChannelError(message, permanent=True) from error

    @secrets.setter
    def secrets(self, secrets: Mapping[str, str]) -> None:
        self.sealed_secrets = seal(dict(secrets)) if secrets else ""

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that an admin has set. Raises ChannelError."""
        try:
            return dict(unseal(self.sealed_headers)) if self.sealed_headers else {}
        except ValueError as error:
            message = f"The headers cannot be decrypted. Enter them again. {error}"
            raise ChannelError(message, permanent=True) from error

    @headers.setter
    def headers(self, headers: Mapping[str, str]) -> None:
        self.sealed_headers = seal(dict(headers)) if headers else ""

    def replace_secrets(self, address: str) -> bool:
        """Store the secrets of an address, and return whether that is possible.

        If the address differs from the stored one in more than its secrets, nothing is changed.
        """
        shown, typed = separate(address)
        if not typed or re.sub(MARK, "", shown) != re.sub(MARK, "", self.address):
            return False
        # The stored marks stay: with other marks, all items of the feed would count as new.
        marks = zip(re.findall(MARK, self.address), re.findall(MARK, shown), strict=False)
        self.secrets = {stored: typed[mark] for stored, mark in marks if mark in typed}
        return True

    def fetch_request(self, credentials: Credentials | None) -> FetchRequest:
        """Return the input that the channel needs for the next fetch.

        credentials: the credentials of the account of this source, or None if it has none. Raises
        ChannelError if the secrets of the address cannot be decrypted.
        """
        request = FetchRequest(
            self.address, self.cursor, credentials, secrets=self.secrets, headers=self.headers
        )
        if self.topic is None or self.topic.current is None:
            return request
        return replace(request, address=SEARCH, terms=self.topic.current.terms)


class Fetch(models.Model):
    """One fetch of one source, with its time, its result, and the number of items found.

    attempt: the number of the claim under which this fetch runs; see `fence`.
    """

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        OK = "ok", "New items"
        UNCHANGED = "unchanged", "Nothing new"
        FAILED = "failed", "Failed"
        DISCARDED = "discarded", "Superseded by another fetch"
        WAITING = "waiting", "Not fetched: budget used up"

    source = models.ForeignKey(Source, models.PROTECT, related_name="fetches")
    attempt = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    found = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField("bytes", default=0)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["source", "-started_at"], name="fetch_of_source")]
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.source} at {self.started_at:%F %T}"

    def fence(self) -> Source | None:
        """Lock and return the source if this fetch still has the claim; otherwise return None.

        A fetch loses its claim if its worker is suspended for longer than the lease and another
        worker claims the source. Then the fetch is marked as discarded, and the worker must store
        nothing.
        """
        mine = Source.objects.filter(pk=self.source_id, attempt=self.attempt)
        source = locked(mine).first()
        if source is None:
            self.outcome, self.ended_at = Fetch.Outcome.DISCARDED, timezone.now()
            # Use update() and not save(): if the row was deleted, save() would insert it again.
            row = Fetch.objects.filter(pk=self.pk)
            row.update(outcome=self.outcome, ended_at=self.ended_at)
        return source

    def end(self, outcome: Fetch.Outcome, *, now: datetime, error: str = "") -> None:
        self.outcome, self.ended_at, self.error = outcome, now, error
        self.save()
