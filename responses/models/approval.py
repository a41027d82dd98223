from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from crm.models import User
from responses.models.response import Response
from scrm.db.append_only import append_only

HOLD = "hold"
"""The step of a refusal that holds a response: it ends the approvals that were given before."""


class Approval(models.Model):
    """A user's decision about a response: to approve it, to send it back, or to hold it.

    The decision applies only to the text, the recipients and the files that `content_hash`
    identifies.
    """

    response = models.ForeignKey(Response, models.PROTECT, related_name="approvals")
    content_hash = models.CharField(max_length=64)
    approved = models.BooleanField()
    self_approved = models.BooleanField(default=False)
    step = models.CharField(max_length=10, blank=True)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at"]
        triggers = append_only("reason")

    def __str__(self) -> str:
        held = "held" if self.step == HOLD else "sent back"
        return f"{'approved' if self.approved else held} by {self.by}"


class ApprovalRequest(models.Model):
    """The approvals that a response needed when it was last held.

    `steps` lists the roles that must approve (“lead” or “supervisor”), in this order. If nobody has
    approved the response by `decide_by`, supervisors and admins are notified. `escalated_at` is the
    time at which they were notified.
    """

    response = models.OneToOneField(
        Response, models.PROTECT, primary_key=True, related_name="approval_request"
    )
    steps = models.JSONField(default=list)
    decide_by = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["decide_by"],
                name="approval_undecided",
                condition=models.Q(decide_by__isnull=False, escalated_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.response}: {', '.join(self.steps)}"

    @classmethod
    def open_for(
        cls, response: Response, *, steps: Sequence[str], within: int, now: datetime
    ) -> None:
        """Store which approvals the response needs, and replace an earlier request.

        Supervisors and admins are notified if `within` hours pass without an approval. If `within`
        is 0, they are never notified.
        """
        decide_by = now + timedelta(hours=within) if within else None
        wanted = {"steps": list(steps), "decide_by": decide_by, "escalated_at": None}
        request, _new = cls.objects.update_or_create(response=response, defaults=wanted)
        response.approval_request = request

    @property
    def signatures(self) -> list[Approval]:
        """The valid approvals of the response.

        An approval is valid if nobody has sent the response back after the approval. In addition,
        the present text, recipients and files must be the approved ones.
        """
        signed: list[Approval] = []
        for approval in sorted(self.response.approvals.all(), key=lambda approval: approval.pk):
            # A refusal voids every approval before it.
            signed = [*signed, approval] if approval.approved else []
        return [each for each in signed if each.content_hash == self.response.content_hash]

    @property
    def next_step(self) -> str:
        """The role that must approve next, or "" if no approval is missing."""
        missing = (self.steps or ["lead"])[len(self.signatures) :]
        return str(missing[0]) if missing else ""

    def why_not_approved_by(self, user: User) -> str:
        """Return why this user cannot give the next approval, or "" if the user can give it."""
        response = self.response
        if any(each.by_id == user.pk for each in self.signatures):
            return "You approved it. Another user must give the next approval."
        if self.next_step == "supervisor" and not user.sees_everything:
            return "It waits for approval by a supervisor."
        own = response.author_id == user.pk
        # A department's only team lead may approve their own text: nobody else could.
        if own and (self.next_step != "lead" or response.department.lone_lead != user):
            return "You cannot approve your own text. Ask another team lead."
        return ""


def request_of(response: Response) -> ApprovalRequest:
    """Return the approval request of a response.

    If the response was never held, the result is a new, unsaved request.
    """
    try:
        return response.approval_request
    except ApprovalRequest.DoesNotExist:
        return ApprovalRequest(response=response)
