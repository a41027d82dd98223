from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from crm.models import User
from routing.models import Case, Issue


class Draft(models.Model):
    """A text that its author is writing. It is saved during typing and deleted once it is sent.

    `kind` is the composer tab in which the text is written. `fields` contains the values of the
    other form fields. `version` counts the saves, so that a second browser window cannot silently
    overwrite the text of the first window.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, models.CASCADE, null=True, related_name="drafts")
    issue = models.ForeignKey(Issue, models.CASCADE, null=True, related_name="drafts")
    kind = models.CharField(max_length=20)
    author = models.ForeignKey(User, models.CASCADE, related_name="drafts")
    text = models.TextField(blank=True)
    fields = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind", "author"], condition=Q(issue=None), name="draft_of_case"
            ),
            models.UniqueConstraint(
                fields=["issue", "kind", "author"], condition=Q(case=None), name="draft_of_issue"
            ),
        ]
        indexes = [models.Index(fields=["author", "-updated_at"], name="draft_of_author")]

    def __str__(self) -> str:
        return f"{self.kind} by {self.author}: {self.text[:60]}"

    @classmethod
    @transaction.atomic
    def keep(
        cls,
        *,
        kind: str,
        by: User,
        text: str,
        seen: int,
        case: Case | None = None,
        issue: Issue | None = None,
        fields: dict[str, Any] | None = None,
        now: datetime | None = None,
    ) -> tuple[Draft, bool]:
        """Save what the author typed; return the draft, and whether the text was saved.

        `seen` is the version of the draft that the page last received. If another browser window
        has saved a newer version with another text, nothing is changed, and the newer version is
        returned.
        """
        case = case and case.survivor
        # The row is locked: if two windows save at once, the second sees the version of the first.
        row, made = cls.objects.select_for_update(of=("self",)).get_or_create(
            case=case, issue=issue, kind=kind, author=by
        )
        if not made and row.version != seen and row.text != text:
            return row, False
        if not made and (row.text, row.fields) == (text, fields or {}):
            return row, True
        cls.objects.filter(pk=row.pk).update(
            text=text,
            fields=fields or {},
            version=F("version") + 1,
            updated_at=now or timezone.now(),
        )
        row.refresh_from_db()
        return row, True
