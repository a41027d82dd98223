from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models, transaction
from django.utils import timezone

from crm.models import User
from routing.models.case import Case
from routing.models.case_event import CaseEvent

FRESH = timedelta(seconds=40)
"""If a browser has not reported for this time, its user is no longer shown as present.

While a case is open, the browser reports every 15 s.
"""


class PresenceQuerySet(models.QuerySet["Presence"]):
    def fresh(self, now: datetime) -> PresenceQuerySet:
        return self.filter(at__gt=now - FRESH)

    def sweep(self, *, now: datetime) -> int:
        """Delete the presences of users whose browsers no longer report; return their number.

        One call deletes at most 500 presences. For each of them, the case gets an event `LEFT`.
        """
        with transaction.atomic():
            # Skip locked rows: their browser is reporting at this moment.
            gone = list(
                self.select_for_update(skip_locked=True, of=("self",)).filter(at__lte=now - FRESH)[
                    :500
                ]
            )
            self.filter(pk__in=[presence.pk for presence in gone]).delete()
            CaseEvent.objects.bulk_create(
                CaseEvent(
                    case_id=presence.case_id,
                    kind=CaseEvent.Kind.LEFT,
                    by_id=presence.user_id,
                    at=presence.at,
                )
                for presence in gone
            )
        return len(gone)


class Presence(models.Model):
    """A user who has a case open at present. The row is deleted when the user leaves the case.

    The events `OPENED` and `LEFT` stay in the case's history.

    replying: whether the user has started to write.
    at: the time of the browser's last report.
    """

    case = models.ForeignKey(Case, models.CASCADE, related_name="presences")
    user = models.ForeignKey(User, models.CASCADE, related_name="presences")
    replying = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)

    objects = PresenceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "user"], name="present_once")]
        indexes = [models.Index(fields=["at"], name="presence_at")]

    def __str__(self) -> str:
        return f"{self.user} at {self.case}"

    @classmethod
    @transaction.atomic
    def here(
        cls, case: Case, user: User, *, replying: bool = False, now: datetime | None = None
    ) -> None:
        """Record that the user has the case open. The first call logs an event `OPENED`."""
        now = now or timezone.now()
        # Read `replying` before update_or_create() overwrites it: only a change is published.
        before = cls.objects.filter(case=case, user=user)
        known = before.values_list("replying", flat=True).first()
        cls.objects.update_or_create(
            case=case, user=user, defaults={"replying": replying, "at": now}
        )
        if known is None:
            case.events.create(kind=CaseEvent.Kind.OPENED, by=user, at=now)
        if known != replying:
            case.tell("presence")

    @classmethod
    @transaction.atomic
    def leave(cls, case: Case, user: User, *, now: datetime | None = None) -> None:
        """Record that the user no longer has the case open, and log an event `LEFT`."""
        if cls.objects.filter(case=case, user=user).delete()[0]:
            case.events.create(kind=CaseEvent.Kind.LEFT, by=user, at=now or timezone.now())
            case.tell("presence")
