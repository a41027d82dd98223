from __future__ import annotations

from collections.abc import Sequence

from django.db import models, transaction
from django.utils.translation import gettext as _

from routing.models.item_decision import MAX_REASON

MAX_REASONS = 9
"""Each reason has a number key."""


class DoneReasonQuerySet(models.QuerySet["DoneReason"]):
    def labels(self) -> list[str]:
        """Return the reasons in the order of their number keys, or the default reasons."""
        return list(self.order_by("position").values_list("label", flat=True)) or default_reasons()

    @transaction.atomic
    def replace(self, labels: Sequence[str]) -> None:
        """Store these reasons instead of the present ones. Decisions keep their reasons."""
        self.all().delete()
        self.bulk_create(
            DoneReason(label=label, position=number) for number, label in enumerate(labels, 1)
        )


class DoneReason(models.Model):
    """A reason why a message needs no answer, for the form “Done”. Admins edit the list.

    position: the number key of the reason, from 1.
    """

    label = models.CharField(max_length=MAX_REASON, unique=True)
    position = models.PositiveSmallIntegerField()

    objects = DoneReasonQuerySet.as_manager()

    def __str__(self) -> str:
        return self.label


def default_reasons() -> list[str]:
    return [
        _("Thanks"), _("No question"), _("Answered elsewhere"), _("Not our responsibility"),
        _("Other"),
    ]  # fmt: skip
