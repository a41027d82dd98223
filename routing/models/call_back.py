from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models import User
from routing.models.case import Case
from scrm.text.phone import international


class CallBack(models.Model):
    """The task to call somebody back about a case.

    The assignee of the case makes the call. The case is snoozed until `at`. If it waits for a reply
    at that time, it returns to the inbox too.

    number: the number to call in E.164.
    closed_at: the time at which somebody was reached, or the task was rescheduled or cancelled;
      None while the task is open.
    woken_at: the time at which the case was returned to the inbox because the call was due.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="call_backs")
    number = models.CharField(max_length=20)
    at = models.DateTimeField()
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    closed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case"], condition=Q(closed_at=None), name="one_open_call_back"
            )
        ]

    @property
    def number_shown(self) -> str:
        return international(self.number)

    @property
    def is_due(self) -> bool:
        return self.at <= timezone.now()

    def __str__(self) -> str:
        return f"{self.number} {self.at:%Y-%m-%d %H:%M}"
