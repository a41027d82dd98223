from __future__ import annotations

import re
import uuid
from pathlib import PurePath

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm import above
from crm.models.interaction import Interaction
from crm.models.user import User
from scrm.channels.base import File

_EXTENSION = re.compile(r"\.[a-z0-9]{1,10}")


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def visible_to(self, user: User) -> AttachmentQuerySet:
        """Return the attachments that the user may download.

        These are the files of interactions that the user may read, files that the user uploaded and
        that belong to no interaction yet, and files of unsent responses in the user's departments.
        Supervisors and admins may download all files.
        """
        readable = Interaction.objects.readable_by(user).values("pk")
        if user.sees_everything:
            return self
        return self.filter(
            Q(interaction__in=readable)
            | Q(interaction=None, by=user)
            | Q(interaction=None, pk__in=above.unsent_files(user))
        )


class Attachment(models.Model):
    """A file that was received with an interaction, or that a user uploaded to send it.

    interaction: None until the interaction is recorded.
    by: the user who uploaded the file; None if the file was received.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    interaction = models.ForeignKey(
        Interaction, models.PROTECT, null=True, related_name="attachments"
    )
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    alt = models.CharField("description of the picture", max_length=1500, blank=True)
    file = models.FileField(upload_to="attachments/%Y/%m")
    created_at = models.DateTimeField(default=timezone.now)

    objects = AttachmentQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def as_file(self) -> File:
        with self.file.open("rb") as content:
            return File(self.name, self.content_type, content.read(), self.alt)


def stored_name(name: str) -> str:
    """Return the name under which a received file is stored: only its extension is kept."""
    extension = PurePath(name).suffix.lower()
    return f"received{extension if _EXTENSION.fullmatch(extension) else ''}"
