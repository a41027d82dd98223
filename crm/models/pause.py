from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.user import User


class PauseQuerySet(models.QuerySet["Pause"]):
    def open(self) -> PauseQuerySet:
        return self.filter(ended_at=None)

    def by_hand(self) -> PauseQuerySet:
        """Return the open pause that a user began, if there is one."""
        return self.open().filter(kind=Pause.Kind.BY_HAND)

    def restored(self) -> PauseQuerySet:
        """Return the open pause that began because the database was restored, if there is one.

        It lasts until a supervisor or an admin ends it.
        """
        return self.open().filter(kind=Pause.Kind.RESTORED)

    def begin(self, *, by: User, why: str, now: datetime | None = None) -> bool:
        """Pause all sending from now on. Return False if a user has already paused all sending."""
        return self._begin(kind=Pause.Kind.BY_HAND, by=by, why=why, now=now)

    def begin_restored(self, *, why: Pause.Evidence, now: datetime) -> bool:
        """Stop all sending because the database was restored.

        Return False if all sending was already stopped for this reason.
        """
        return self._begin(kind=Pause.Kind.RESTORED, by=None, why=why, now=now)

    def _begin(self, *, kind: str, by: User | None, why: str, now: datetime | None) -> bool:
        # Two processes may do this at the same time. Only the unique constraint refuses the second.
        try:
            with transaction.atomic():
                self.create(kind=kind, by=by, why=why, at=now or timezone.now())
        except IntegrityError:
            return False
        return True

    def end(self, *, by: User, now: datetime | None = None) -> bool:
        """End the pause that a user began. Return False if there is no such pause."""
        return bool(self.by_hand().update(ended_at=now or timezone.now(), ended_by=by))

    def release(self, *, by: User, now: datetime) -> bool:
        """Allow sending again after a restore. Return False if no restore had stopped sending."""
        return bool(self.restored().update(ended_at=now, ended_by=by))


class Pause(models.Model):
    """A period in which no account sends anything, with its reason.

    by: the user who began the pause; None if scrm began it because the database was restored.
    """

    class Kind(models.TextChoices):
        BY_HAND = "by hand", "Paused manually"
        RESTORED = "restored", "Restored database"

    class Evidence(models.TextChoices):
        """How scrm noticed that the database was restored. The field `why` stores this value."""

        MOVED = (
            "moved",
            _("This database was restored from a copy, or moved to another database server."),
        )
        SET_BACK = (
            "set back",
            _("This database was set back to an earlier state: it lacks messages that were sent."),
        )

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.BY_HAND)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    why = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    objects = PauseQuerySet.as_manager()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(ended_at=None), name="one_pause_of_a_kind"
            ),
            models.CheckConstraint(
                condition=Q(by__isnull=False) | Q(kind="restored"), name="pause_by_somebody"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.by or 'scrm'}: {self.reason}"

    @property
    def reason(self) -> str:
        """The reason for the pause, as pages show it."""
        if self.kind == self.Kind.RESTORED:
            return str(self.Evidence(self.why).label)
        return self.why
