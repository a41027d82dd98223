from __future__ import annotations

from django.db import models
from django.utils import timezone

from listening.models.mention import Mention
from listening.models.source import Fetch
from scrm.db.append_only import append_only


class MentionChange(models.Model):
    """An edit or a deletion of a mention by its author, as the network reported it.

    The mention keeps the text with which scrm found it first. The newest change tells what the
    network shows now: the text of an edit, or nothing after a deletion.

    occurred_at: the time that the network states, or None. recorded_at: when scrm stored the
    change.
    """

    class Kind(models.TextChoices):
        EDITED = "edited", "Edited"
        DELETED = "deleted", "Deleted"

    mention = models.ForeignKey(Mention, models.PROTECT, related_name="changes")
    fetch = models.ForeignKey(Fetch, models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    title = models.TextField(blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    content_hash = models.CharField(max_length=64)
    occurred_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["mention", "id"], name="change_of_mention")]
        ordering = ["pk"]
        triggers = append_only("title", "text", "html")

    def __str__(self) -> str:
        return f"{self.mention} {self.kind}"
