"""The statuses of a case, and the error for an action on outdated data."""

from __future__ import annotations

from django.db import models


class Stale(Exception):
    """The case changed, or a new message arrived, after the user loaded the page.

    The text of the exception says what happened. It is shown to the user.
    """


class Status(models.TextChoices):
    NEW = "new", "New"
    OPEN = "open", "Open"
    WAITING = "waiting", "Waiting for reply"
    SNOOZED = "snoozed", "Snoozed"
    DONE = "done", "Done"
    NOISE = "noise", "Noise"


ACTIVE = (Status.NEW, Status.OPEN)
LIVING = (*ACTIVE, Status.WAITING, Status.SNOOZED)
CLOSED = (Status.DONE, Status.NOISE)
