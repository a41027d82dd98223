from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Interaction, User
from routing.models.rule import RuleRevision
from routing.rules import ALWAYS
from scrm.db.append_only import append_only


class CaseEvent(models.Model):
    """One entry of a case's history, with the user or the rule that caused it, and the reason.

    Events are never changed. Only an erasure of personal data may change `why` and `data`, and
    set `facts` to {}.

    facts: if the event is about a new item, the facts that the rules were evaluated on; see
      `routing.facts.to_store`. `data` then contains `why_not`, and `offer` if a rule named another
      department or person while somebody had the case.
    undoes: the transfer, merge or split that this event undoes. A user may read a case that the
      user transferred, but not after the transfer was undone.
    """

    class Kind(models.TextChoices):
        ROUTED = "routed", _("Routed")
        HEARD = "heard", _("New message")
        JOINED = "joined", _("Conversation joined")
        BYSTANDER = "bystander", _("Reply by another person")
        REOPENED = "reopened", _("Reopened")
        CLAIMED = "claimed", _("Taken")
        RELEASED = "released", _("Unassigned")
        TRANSFERRED = "transferred", _("Transferred")
        NOTED = "noted", _("Internal note")
        SNOOZED = "snoozed", _("Snoozed")
        WOKEN = "woken", _("Snooze ended")
        DONE = "done", _("Done")
        NOISE = "noise", _("Marked as noise")
        DECIDED = "decided", _("Decided")
        ANSWERED = "answered", _("Our reply")
        GROUPED = "grouped", _("Issue")
        TAGGED = "tagged", _("Tags")
        RANKED = "ranked", _("Priority")
        MERGED = "merged", _("Merged")
        SPLIT = "split", _("Split")
        LINKED = "linked", _("Linked cases")
        FOLLOWER = "follower", _("Follower")
        PARTICIPANT = "participant", _("Participant")
        UNDONE = "undone", _("Undone")
        CALL_BACK = "call back", _("Call-back")
        MODERATED = "moderated", _("Moderation")
        OPENED = "opened", _("Viewed")
        LEFT = "left", _("Left")

    case = models.ForeignKey("Case", models.PROTECT, related_name="events", db_index=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    revision = models.ForeignKey(RuleRevision, models.PROTECT, null=True, related_name="+")
    interaction = models.ForeignKey(Interaction, models.PROTECT, null=True, related_name="+")
    why = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    undoes = models.ForeignKey(
        "self", models.PROTECT, null=True, db_index=False, related_name="undone_by"
    )

    class Meta:
        indexes = [
            models.Index(fields=["case", "at"], name="event_of_case"),
            models.Index(
                fields=["by", "case"],
                name="event_transferred",
                condition=models.Q(kind="transferred"),
            ),
            models.Index(
                fields=["by", "-id"],
                name="event_handed_last",
                condition=models.Q(kind="transferred"),
                include=["case"],
            ),
            models.Index(
                fields=["by", "undoes"],
                name="event_undoes",
                condition=models.Q(undoes__isnull=False),
            ),
        ]
        ordering = ["at", "pk"]
        triggers = append_only("why", "data", emptied=("facts",))

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.why}"

    @property
    def sentence(self) -> str:
        """Return what happened to the item of a routing event, as one or two plain sentences.

        `why` is the condition of the rule, such as “topic is Refunds”, or else a sentence.
        """
        start = _ITEM_SENTENCES.get(self.Kind(self.kind), self.get_kind_display())
        if self.kind == self.Kind.ROUTED and self.revision_id and self.why != ALWAYS:
            words = {"start": start, "why": self.why}
            return _t("%(start)s, because a rule matched: %(why)s") % words
        return f"{start}. {self.why}".strip()

    @classmethod
    def transfers(cls, *, by: User) -> models.QuerySet[CaseEvent]:
        """Return the events of the user's transfers, without the transfers that were undone."""
        # Only the user who transferred a case can undo the transfer: `by` narrows both queries.
        undone = cls.objects.filter(by=by, undoes__isnull=False)
        transferred = cls.objects.filter(kind=cls.Kind.TRANSFERRED, by=by)
        return transferred.exclude(pk__in=undone.values("undoes"))


_ITEM_SENTENCES = {
    CaseEvent.Kind.ROUTED: _("It opened this case"),
    CaseEvent.Kind.JOINED: _("It was added to this case"),
    CaseEvent.Kind.HEARD: _("It continues a conversation of this case"),
    CaseEvent.Kind.REOPENED: _("It continues a conversation of this case and reopened it"),
    CaseEvent.Kind.BYSTANDER: _(
        "It is a reply by another person, shown on this case but not part of it"
    ),
}
LOOKING = (CaseEvent.Kind.OPENED, CaseEvent.Kind.LEFT)
"""Events that change nothing: a user opened or left the case."""
HEARING = (CaseEvent.Kind.HEARD, CaseEvent.Kind.JOINED, CaseEvent.Kind.BYSTANDER)
"""Events about new messages: nobody worked on the case."""
