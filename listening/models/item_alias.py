from __future__ import annotations

from django.db import models

from listening.models.mention import Mention
from listening.models.source import Source


class ItemAlias(models.Model):
    """A second key of a mention, by which its source recognises it under another id.

    digest: a hash of facts that identify the item; see `listening.aliases`.
    """

    source = models.ForeignKey(Source, models.PROTECT, related_name="aliases", db_index=False)
    digest = models.BinaryField(max_length=32)
    mention = models.ForeignKey(Mention, models.PROTECT, related_name="aliases")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "digest"], name="alias_once_a_source")
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.mention}"
