from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import User
from listening.sensitivity import Sensitivity

STATUTORY_DAYS = 30
"""Default for data-subject requests: one month."""


class ProcedureQuerySet(models.QuerySet["Procedure"]):
    def of(self, kind: str) -> Procedure:
        """Return the procedure of this kind; if none is stored, an unsaved one with the defaults.

        Raises ValueError if there is no such kind.
        """
        stored = self.select_related("on_call").filter(kind=Sensitivity(kind)).first()
        days = STATUTORY_DAYS if kind == Sensitivity.DATA_REQUEST else None
        return stored or Procedure(kind=kind, text=_default_text(kind), days=days)


class Procedure(models.Model):
    """What to do with a sensitive case of one kind, and who is told at once.

    on_call: the person who is told; None means the team leads of the case's department.
    days: statutory deadline in calendar days from the message; None if there is none.
    """

    kind = models.CharField(max_length=20, choices=Sensitivity.choices, unique=True)
    text = models.TextField()
    on_call = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    days = models.PositiveSmallIntegerField(null=True, blank=True)

    objects = ProcedureQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.get_kind_display())

    def deadline(self, said_at: datetime) -> datetime | None:
        """Return the end of the last calendar day, in the time zone of the workspace."""
        if not self.days:
            return None
        last = timezone.localdate(said_at) + timedelta(days=self.days)
        return timezone.make_aware(datetime.combine(last, time(23, 59, 59)))


def _default_text(kind: str) -> str:
    return {
        Sensitivity.SAFEGUARDING: _(
            "1. Act now: contact the person on call.\n"
            "2. Answer in private, calmly, with the numbers of the emergency service and of a "
            "crisis line in the person's country.\n"
            "3. If there is danger to life, call the emergency service yourself.\n"
            "4. Do not close the case before the person on call agrees."
        ),
        Sensitivity.LEGAL: _(
            "1. Admit nothing and promise nothing.\n"
            "2. Confirm in private that the message was received.\n"
            "3. Assign the case to the person on call, with all earlier messages.\n"
            "4. Delete nothing, neither here nor on the network."
        ),
        Sensitivity.DATA_REQUEST: _(
            "1. Confirm in private that the request was received.\n"
            "2. Check the identity before you send or delete personal data.\n"
            "3. Assign the case to the person on call. The deadline is counted from the day of the "
            "message.\n"
            "4. Record what was sent, corrected or deleted, and when."
        ),
    }[Sensitivity(kind)]
