from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from crm.models.interaction import Interaction
from crm.models.user import User


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def visible_to(self, user: User) -> AttachmentQuerySet:
        return self.filter(interaction__in=Interaction.objects.readable_by(user).values("pk"))


class Attachment(models.Model):
    """Bytes that came with an interaction; served only through `visible_to`."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    interaction = models.ForeignKey(Interaction, models.PROTECT, related_name="attachments")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    file = models.FileField(upload_to="attachments/%Y/%m")
    created_at = models.DateTimeField(default=timezone.now)

    objects = AttachmentQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
