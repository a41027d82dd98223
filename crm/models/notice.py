from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import models, transaction
from django.db.models import Exists, Q
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.instance import Instance
from crm.models.job import Job
from crm.models.pause import Pause
from crm.models.user import User
from scrm.bus.live import publish
from scrm.bus.nudge import nudge
from scrm.db.locks import update_in_order

MAIL_AFTER, MAIL_WITHIN = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class About:
    """The subject of a notice, for example a case.

    key: the kind and the id of the subject, for example "case:123".
    title: the text that is shown beside the kind of the notice.
    place: the text below the title, for example the department.
    url: the page of the subject.
    """

    key: str
    title: str
    place: str
    url: str


class NoticeQuerySet(models.QuerySet["Notice"]):
    def unread(self) -> NoticeQuerySet:
        return self.filter(read_at=None)

    def to_mail(self, now: datetime) -> NoticeQuerySet:
        """Return the unread notices whose mail is late, for example because a nudge was lost.

        The result contains only notices of active users who want mail. The notices are older than a
        minute and younger than a day.
        """
        since, until = now - MAIL_WITHIN, now - MAIL_AFTER
        late = self.unmailed().filter(read_at=None, at__gt=since, at__lt=until)
        return late.filter(user__mail_notices=True, user__is_active=True)

    def unmailed(self) -> NoticeQuerySet:
        """Return the notices that are not mailed yet.

        While sending is stopped because this database was restored, the result is empty.
        """
        # A restored copy must not mail notices that the original database has already mailed.
        allowed = self.exclude(Exists(Instance.objects.moved())).exclude(
            Exists(Pause.objects.restored())
        )
        return allowed.filter(mailed_at=None)

    def never_mail(self, *, now: datetime) -> None:
        """Mark unread notices as mailed, so that they are shown in the app but never mailed."""
        update_in_order(self.filter(mailed_at=None, read_at=None), mailed_at=now)


class Notice(models.Model):
    """A notification for one user: shown at the bell, and sent by mail if the user wants that.

    about, title, place: copies of `key`, `title` and `place` of `About`. A notice has no foreign
    key to its subject.
    """

    class Kind(models.TextChoices):
        ASSIGNED = "assigned", "Assigned to you"
        TRANSFERRED = "transferred", "Transferred to you"
        MENTIONED = "mentioned", "You were mentioned"
        APPROVED = "approved", "Your text was approved"
        SENT_BACK = "sent back", "Your text was sent back"
        TO_APPROVE = "to approve", "Waiting for your approval"
        FAILED = "failed", "Delivery problem"
        SENSITIVE = "sensitive", _("Sensitive case")
        MUTE_DIGEST = "mute digest", _("Weekly summary of muted people")
        REOPENED = "reopened", "Your case is open again"
        JOINED = "joined", _("New message in your case")
        MERGED = "merged", _("Cases were merged")
        FOLLOWED = "followed", _("New message in a case you follow")
        FOLLOWER = "follower", _("You were added as a follower")
        JOB = "job", "Job finished"
        HELD = "held", _("Sending is held: this database was restored")
        RECONNECT = "reconnect", _("Account to reconnect")
        BUDGET = "budget", _("Budget of an account")
        RULE = "rule", _("A case matched a routing rule")
        DUE_SOON = "due soon", _("Due soon")
        OVERDUE = "overdue", _("Overdue")
        HEARD_LATE = "heard late", _("Received late")
        CHANGED = "changed", _("Message changed at the source")
        SOURCE_GAP = "source gap", _("Source with a gap")

    LOOKS = {
        Kind.ASSIGNED: ("user-round", ""),
        Kind.TRANSFERRED: ("arrow-right-left", ""),
        Kind.MENTIONED: ("at-sign", ""),
        Kind.APPROVED: ("check", "ok"),
        Kind.SENT_BACK: ("corner-up-left", "warn"),
        Kind.TO_APPROVE: ("list-checks", ""),
        Kind.FAILED: ("triangle-alert", "bad"),
        Kind.SENSITIVE: ("triangle-alert", "bad"),
        Kind.MUTE_DIGEST: ("bell", ""),
        Kind.REOPENED: ("message-circle", "warn"),
        Kind.JOINED: ("message-circle", ""),
        Kind.MERGED: ("git-merge", ""),
        Kind.FOLLOWED: ("message-circle", ""),
        Kind.FOLLOWER: ("user-plus", ""),
        Kind.JOB: ("list-checks", "ok"),
        Kind.HELD: ("triangle-alert", "bad"),
        Kind.RECONNECT: ("unlink", "warn"),
        Kind.BUDGET: ("triangle-alert", "warn"),
        Kind.RULE: ("bell", ""),
        Kind.DUE_SOON: ("clock", "warn"),
        Kind.OVERDUE: ("clock", "bad"),
        Kind.HEARD_LATE: ("clock", "warn"),
        Kind.CHANGED: ("pen-line", "warn"),
        Kind.SOURCE_GAP: ("rss", "warn"),
    }
    """Kind → (name of the icon, tone); the tone is "ok", "warn", "bad" or ""."""

    user = models.ForeignKey(User, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    about = models.CharField(max_length=60, blank=True)
    title = models.CharField(max_length=300, blank=True)
    place = models.CharField(max_length=120, blank=True)
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
            models.Index(fields=["about"], name="notice_about", condition=~Q(about="")),
            models.Index(
                fields=["at"], name="notice_to_mail", condition=Q(read_at=None, mailed_at=None)
            ),
        ]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.text}"

    @property
    def icon(self) -> str:
        return self.LOOKS[self.Kind(self.kind)][0]

    @property
    def tone(self) -> str:
        return self.LOOKS[self.Kind(self.kind)][1]

    @property
    def address(self) -> str:
        return f"{settings.PUBLIC_URL}{self.url}"

    def mail(self, *, now: datetime | None = None) -> None:
        """Mail the notice if the user wants mail and has not read the notice.

        A notice is never mailed twice.
        """
        if not self.user.mail_notices or not self.user.is_active or self.read_at:
            return
        # Mark the notice as mailed before the network call: if the worker dies, the mail may be
        # lost, but it is not sent twice.
        if self._claim_mail(now or timezone.now()):
            text = render_to_string("crm/notice.txt", {"notice": self})
            send_mail(f"scrm: {self.get_kind_display()}", text, None, [self.user.mail_to])

    @transaction.atomic
    def _claim_mail(self, now: datetime) -> bool:
        if Instance.objects.is_set_back():  # `scrm.pipeline.tick` then pauses all sending
            return False
        claimed = Notice.objects.unmailed().filter(pk=self.pk).update(mailed_at=now)
        if claimed:
            Instance.objects.count_attempt()
        return bool(claimed)

    @classmethod
    def give(
        cls,
        users: Iterable[User | int],
        kind: Kind,
        *,
        by: User | None = None,
        about: About | None = None,
        text: str = "",
        url: str = "",
        once: bool = False,
        now: datetime | None = None,
    ) -> list[Notice]:
        """Create a notice for each of these users, except for the user who acted (`by`).

        url: the page that the notice opens, if that is not the page of `about`.
        once: skip users who already have a notice of this kind with this URL.
        """
        wanted = {user if isinstance(user, int) else user.pk for user in users}
        wanted.discard(by.pk if by else 0)
        url = url or (about.url if about else "")
        if once:
            earlier = cls.objects.filter(user__in=wanted, kind=kind, url=url)
            wanted -= set(earlier.values_list("user", flat=True))
        now = now or timezone.now()
        values = {"kind": kind, "by": by, "text": text[:300], "url": url, "at": now}
        return cls._write(
            Notice(user_id=user, **values, **_columns(about)) for user in sorted(wanted)
        )

    @classmethod
    def end_of(cls, job: Job) -> list[Notice]:
        """Notify the owner of a job that the job has ended. A second call does nothing."""
        if not job.ended_at:
            return []
        done = job.state == Job.State.DONE
        text = job.message if done else f"{job.get_state_display()}: {job.message}"
        url = job.result.get("url") or job.get_absolute_url()
        return cls.give([job.owner_id], cls.Kind.JOB, text=text, url=url, once=True)

    @classmethod
    def give_each(
        cls,
        kind: Kind,
        pairs: Iterable[tuple[About, int | None]],
        *,
        unless_unread: Collection[Kind] = (),
    ) -> list[Notice]:
        """Create one notice for each pair of a subject and the id of a user.

        One SQL statement writes all notices. Pairs whose user is None are skipped.

        unless_unread: skip users who have an unread notice of one of these kinds about the subject.
        """
        wanted = [(about, user) for about, user in pairs if user]
        if unless_unread and wanted:
            unread = cls.objects.unread().filter(
                about__in={about.key for about, _user in wanted}, kind__in=unless_unread
            )
            known = set(unread.values_list("about", "user"))
            wanted = [(about, user) for about, user in wanted if (about.key, user) not in known]
        return cls._write(
            Notice(user_id=user, kind=kind, url=about.url, **_columns(about))
            for about, user in wanted
        )

    def renew(self, *, text: str, url: str) -> None:
        """Change what the notice says and opens, and make it unread again.

        It is not mailed again.
        """
        was_read = self.read_at is not None
        self.text, self.url, self.read_at = text[:300], url, None
        self.save(update_fields=["text", "url", "read_at"])
        if was_read:
            publish(f"user:{self.user_id}", "notice", self.pk)

    @staticmethod
    def _write(notices: Iterable[Notice]) -> list[Notice]:
        rows = Notice.objects.bulk_create(notices)
        # `publish` and `nudge` wait for the commit: before it, a worker or browser would not find
        # the notice.
        for row in rows:
            publish(f"user:{row.user_id}", "notice", row.pk)
            nudge("crm.mail_notice", row.pk)
        return rows


def _columns(about: About | None) -> dict[str, str]:
    if about is None:
        return {}
    return {"about": about.key, "title": about.title[:300], "place": about.place[:120]}
