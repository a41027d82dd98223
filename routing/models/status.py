"""The states that work is in, and the word for coming too late."""

from __future__ import annotations

from django.db import models


class Stale(Exception):
    """Somebody else was faster, or something new came in: what happened, in words."""


class Status(models.TextChoices):
    NEW = "new", "New"
    OPEN = "open", "Open"
    WAITING = "waiting", "Waiting for them"
    SNOOZED = "snoozed", "Snoozed"
    DONE = "done", "Done"
    NOISE = "noise", "Noise"


ACTIVE = (Status.NEW, Status.OPEN)
LIVING = (*ACTIVE, Status.WAITING, Status.SNOOZED)
CLOSED = (Status.DONE, Status.NOISE)
