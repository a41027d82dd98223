from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import send_mail
from django.db import models, transaction
from django.db.models import Exists, Q
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Instance, Job, Pause, User
from scrm.bus.live import publish
from scrm.bus.nudge import nudge

if TYPE_CHECKING:
    from routing.models.case import Case


SOON, DAY = timedelta(minutes=1), timedelta(days=1)


class NoticeQuerySet(models.QuerySet["Notice"]):
    def unread(self) -> NoticeQuerySet:
        return self.filter(read_at=None)

    def to_mail(self, now: datetime) -> NoticeQuerySet:
        """Of the last day, and not mailed although wanted: their nudge was lost."""
        late = self.unmailed().filter(read_at=None, at__gt=now - DAY, at__lt=now - SOON)
        return late.filter(user__mail_notices=True, user__is_active=True)

    def unmailed(self) -> NoticeQuerySet:
        """Not mailed yet; none of them where the database was restored and nobody released it."""
        free = self.exclude(Exists(Instance.objects.moved())).exclude(
            Exists(Pause.objects.restored())
        )
        return free.filter(mailed_at=None)

    def never_mail(self, *, now: datetime) -> None:
        """Leave what is not mailed by now to the app: it is settled as if it were mailed."""
        self.filter(mailed_at=None, read_at=None).update(mailed_at=now)


class Notice(models.Model):
    """Something that one person should know: it rings their bell, and comes by mail if wanted."""

    class Kind(models.TextChoices):
        ASSIGNED = "assigned", "Given to you"
        HANDED_OVER = "handed over", "Handed to you"
        MENTIONED = "mentioned", "You were mentioned"
        APPROVED = "approved", "Your text was approved"
        SENT_BACK = "sent back", "Your text was sent back"
        TO_APPROVE = "to approve", "Waits for your approval"
        FAILED = "failed", "A sending needs you"
        REOPENED = "reopened", "Your case is open again"
        JOB = "job", "Your work is done"
        HELD = "held", _("Sending is held: this database was restored")

    user = models.ForeignKey(User, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    case = models.ForeignKey("Case", models.CASCADE, null=True, related_name="notices")
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    text = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-id"], name="notice_of_user"),
            models.Index(fields=["user"], name="notice_unread", condition=Q(read_at=None)),
            models.Index(
                fields=["at"], name="notice_to_mail", condition=Q(read_at=None, mailed_at=None)
            ),
        ]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.text}"

    @property
    def address(self) -> str:
        return f"{settings.PUBLIC_URL}{self.url}"

    def mail(self, *, now: datetime | None = None) -> None:
        """Send it to them, if they want mail and have not read it; at most once."""
        if not self.user.mail_notices or not self.user.is_active or self.read_at:
            return
        if self._claim_mail(now or timezone.now()):
            text = render_to_string("routing/notice.txt", {"notice": self})
            send_mail(f"scrm: {self.get_kind_display()}", text, None, [self.user.mail_to])

    @transaction.atomic
    def _claim_mail(self, now: datetime) -> bool:
        if Instance.objects.is_set_back():  # the next tick holds everything
            return False
        won = Notice.objects.unmailed().filter(pk=self.pk).update(mailed_at=now)
        if won:
            Instance.objects.count_attempt()
        return bool(won)

    @classmethod
    def give(
        cls,
        users: Iterable[User | int],
        kind: Kind,
        *,
        by: User | None = None,
        case: Case | None = None,
        text: str = "",
        url: str = "",
        once: bool = False,
        now: datetime | None = None,
    ) -> list[Notice]:
        """Ring the bell of each of them but whoever did it.

        once: not of those who were told of this kind at this address before.
        """
        wanted = {user if isinstance(user, int) else user.pk for user in users}
        wanted.discard(by.pk if by else 0)
        url = url or (case.get_absolute_url() if case else "")
        if once:
            told = cls.objects.filter(user__in=wanted, kind=kind, url=url)
            wanted -= set(told.values_list("user", flat=True))
        now = now or timezone.now()
        facts = {"kind": kind, "case": case, "by": by, "text": text[:300], "url": url, "at": now}
        return cls._write(Notice(user_id=user, **facts) for user in sorted(wanted))

    @classmethod
    def end_of(cls, job: Job) -> list[Notice]:
        """Tell whoever asked for long work, and did not wait for it, that it has ended; once."""
        if not job.ended_at:
            return []
        done = job.state == Job.State.DONE
        text = job.message if done else f"{job.get_state_display()}: {job.message}"
        url = job.result.get("url") or job.get_absolute_url()
        return cls.give([job.owner_id], cls.Kind.JOB, text=text, url=url, once=True)

    @classmethod
    def ring(cls, reopened: Iterable[tuple[Case, int | None]]) -> list[Notice]:
        """Tell those who work on these cases that they are open again. One statement."""
        return cls._write(
            Notice(user_id=user, kind=cls.Kind.REOPENED, case=case, url=case.get_absolute_url())
            for case, user in reopened
            if user
        )

    @staticmethod
    def _write(notices: Iterable[Notice]) -> list[Notice]:
        rows = Notice.objects.bulk_create(notices)
        for row in rows:
            publish(f"user:{row.user_id}", "notice", row.pk)
            nudge("routing.mail_notice", row.pk)
        return rows
