from __future__ import annotations

from django.db import models

from crm.models.account import Account


class Spending(models.Model):
    """What an account has spent on one paid operation on one day.

    purpose: the address of the source that fetched, "send", or "thread".
    day: the day in UTC, because networks count by UTC.
    uses: how often the operation was used. Uses that are reserved for a running fetch or a running
    delivery count too.
    cost: the sum of the prices of all uses, in millionths of a US dollar. Each use counts with the
    price at the time of that use.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="spendings")
    purpose = models.CharField(max_length=1000)
    day = models.DateField()
    operation = models.CharField(max_length=60)
    uses = models.PositiveIntegerField(default=0)
    cost = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "day", "purpose", "operation"], name="spending_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation} on {self.day}"
