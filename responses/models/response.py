from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator

from crm.models import Account, Attachment, Department, Interaction, Notice, User
from responses.rules.judge import content_hash
from routing.models import Case, CaseEvent, Decision, Issue
from routing.models.status import CLOSED, Stale
from scrm.bus.live import publish
from scrm.db.append_only import frozen
from scrm.db.locks import locked, update_in_order


class State(models.TextChoices):
    DRAFT = "draft", "Draft"
    HELD = "held", "Held for approval"
    RELEASED = "released", "Released"
    CANCELLED = "cancelled", "Cancelled"


class Refused(Exception):
    """A response cannot take this step; the sentence says why. Nothing was changed."""


class ResponseQuerySet(models.QuerySet["Response"]):
    def visible_to(self, user: User) -> ResponseQuerySet:
        """Those of cases they may see, of their departments, their own, and what all may read."""
        if user.sees_everything:
            return self
        return self.filter(seen_by(user))

    def about(self, issue: Issue) -> ResponseQuerySet:
        """Statements to many on it, and all that was said in its cases."""
        return self.filter(Q(issue=issue, audience="many") | Q(case__issue=issue))

    def unsettled(self) -> ResponseQuerySet:
        """Drafts, held ones, and those of which some sending has not simply left."""
        waiting = Q(deliveries__state__in=["queued", "sending", "failed", "unknown", "bounced"])
        open_ones = Q(state__in=[State.DRAFT, State.HELD])
        return self.filter(
            open_ones | (Q(state=State.RELEASED, deliveries__settled_at=None) & waiting)
        ).distinct()

    def alive(self) -> ResponseQuerySet:
        """Held, or something of it went out or still may."""
        some = Q(deliveries__state__in=["queued", "sending", "unknown", "sent", "failed"])
        return self.filter(some, state__in=[State.HELD, State.RELEASED]).distinct()

    def held(self) -> ResponseQuerySet:
        return self.filter(state=State.HELD)

    def undecided(self, now: datetime) -> ResponseQuerySet:
        """Held for longer than their rule allows, and nobody above was asked so far."""
        late = {"approval_request__decide_by__lte": now, "approval_request__escalated_at": None}
        return self.held().filter(**late)

    def to_review(self) -> ResponseQuerySet:
        """Out there, and to be read afterwards."""
        return self.filter(state=State.RELEASED, to_review=True, reviewed_at=None)

    def approvable_by(self, user: User) -> ResponseQuerySet:
        """Held ones in front of a lead of their department, a supervisor or an admin."""
        return self.held().led_by(user)

    def reviewable_by(self, user: User) -> ResponseQuerySet:
        """Of those that they lead; nobody reads their own for others."""
        return self.to_review().led_by(user).exclude(author=user)

    def led_by(self, user: User) -> ResponseQuerySet:
        """Of the departments that they lead; all, for supervisors and admins."""
        return self.filter(department__in=Department.objects.led_by(user))

    def lock(self) -> list[Response]:
        """Lock these responses until the commit and return them; before them, lock their cases."""
        found = dict(self.values_list("pk", "case"))
        Case.objects.filter(pk__in=found.values()).lock()
        return list(locked(self.filter(pk__in=found)))


def seen_by(user: User, of: str = "") -> Q:
    """What makes a response visible to whoever does not see everything.

    of: where it is, as in `response__`. Its case as `Case.visible_to` has it: as a query inside
    this one it would be slow to put together.
    """

    def holds(**facts: Any) -> Q:
        return Q(**{f"{of}{name}": value for name, value in facts.items()})

    theirs = user.memberships.values("department")
    handed = CaseEvent.transfers(by=user).filter(case=OuterRef(f"{of}case"))
    out = holds(send_at=None) | holds(send_at__lte=timezone.now())  # not what is only planned
    case = holds(case__department__in=theirs) | (Exists(handed) & ~holds(case__status__in=CLOSED))
    return (
        (case & holds(department__is_restricted=False))
        | holds(department__in=theirs)
        | holds(author=user)
        | (holds(audience="many", state=State.RELEASED) & out)
    )


class Response(models.Model):
    """What we say. Always by a named person; its words are frozen once it left the draft.

    uuid: the form's own, so that one click is one response. department: in whose name.
    in_reply_to: the interaction that it answers. seen: their last words that the author had
    read, so that what they wrote since does not count as answered. versions: account → other
    words that go there. send_at: not before then. verdict: what the rules said, in words.
    """

    class Audience(models.TextChoices):
        ONE = "one", "One person"
        # Nothing writes it yet, but rules may name it: without it, such a rule could not be read.
        FEW = "few", "A few named people"
        MANY = "many", "Many"

    class Visibility(models.TextChoices):
        PRIVATE = "private", "Private: only the recipients see it"
        PUBLIC = "public", "Public: anyone can see it"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="responses")
    case = models.ForeignKey(Case, models.PROTECT, null=True, related_name="responses")
    issue = models.ForeignKey(Issue, models.PROTECT, null=True, related_name="responses")
    department = models.ForeignKey(Department, models.PROTECT, related_name="responses")
    author = models.ForeignKey(User, models.PROTECT, related_name="responses")
    in_reply_to = models.ForeignKey(Interaction, models.PROTECT, null=True, related_name="+")
    seen = models.ForeignKey(Interaction, models.PROTECT, null=True, related_name="+")
    corrects = models.ForeignKey("self", models.PROTECT, null=True, related_name="corrections")
    audience = models.CharField(max_length=4, choices=Audience.choices)
    visibility = models.CharField(max_length=7, choices=Visibility.choices)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField()
    versions = models.JSONField(default=dict)
    send_at = models.DateTimeField(null=True)
    attachments = models.ManyToManyField(Attachment, blank=True, related_name="responses")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    verdict = models.JSONField(default=list)
    to_review = models.BooleanField("is read afterwards", default=False)
    reviewed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    released_at = models.DateTimeField(null=True)

    objects = ResponseQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-created_at"], name="response_history"),
            models.Index(fields=["department"], name="response_held", condition=Q(state="held")),
            models.Index(
                fields=["department"],
                name="response_to_review",
                condition=Q(to_review=True, reviewed_at=None),
            ),
            models.Index(
                fields=["send_at"], name="response_planned", condition=Q(send_at__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(audience="many", visibility="public") | ~Q(audience="many"),
                name="to_many_is_public",
            ),
            models.CheckConstraint(
                condition=Q(case__isnull=False) | Q(issue__isnull=False),
                name="response_about_something",
            ),
        ]
        triggers = frozen(
            "text",
            "subject",
            "audience",
            "visibility",
            "author_id",
            "versions",
            "send_at",
            unless="OLD.state = 'draft'",
            never="NEW.state = 'draft' AND OLD.state NOT IN ('draft', 'held')",
        )

    def __str__(self) -> str:
        return f"{self.get_audience_display()}: {self.text[:60]}"

    def get_absolute_url(self) -> str:
        return reverse("responses:response", args=[self.pk])

    @property
    def is_macro(self) -> bool:
        return self.audience == self.Audience.MANY

    @property
    def corrects_in_place(self) -> bool:
        """It changes a post that stands already, and is no post of its own."""
        return any(each.act == "amend" for each in self.deliveries.all())

    @property
    def is_taken_down(self) -> bool:
        """It was there, or changed what was, and nothing of that stands any more."""
        mine = {(each.act, each.state) for each in self.deliveries.all()}
        said = self.corrects if self.corrects and ("amend", "sent") in mine else self
        sent = [each for each in said.deliveries.all() if each.state == "sent"]
        gone = {each.amends_id for each in sent if each.act == "withdraw"}
        return bool(gone) and gone == {each.pk for each in sent if each.act == "say"}

    @property
    def content_hash(self) -> str:
        """What an approval signs: the words, who may see them, and where they go."""
        places = [
            (each.account_id, each.destination)
            for each in self.deliveries.all()
            if each.act != "withdraw"  # taking it down adds no place
        ]
        how = self.audience, self.visibility
        files = [str(each.uuid) for each in self.attachments.all()]
        return content_hash(self.text, self.subject, *how, places, self.versions, files)

    def words_on(self, account: Account) -> str:
        """What is said there: its own version, where it has one."""
        return str(self.versions.get(str(account.pk), self.text))

    def lock(self) -> Response:
        """Lock its case, then the row, until the commit, and return the response as it is now."""
        return Response.objects.filter(pk=self.pk).lock()[0]

    # Verbs

    @transaction.atomic
    def edit(
        self, *, text: str, subject: str = "", versions: dict[str, str] | None = None, by: User
    ) -> None:
        """Change the words of a draft or a held text; what was signed before is void."""
        mine = self.lock()
        if mine.state == State.HELD:
            mine.become(State.DRAFT)
        if mine.state != State.DRAFT:
            raise Stale(
                "It was already sent, so the text cannot be changed. Write a correction instead."
            )
        before = mine.text, mine.subject, mine.versions
        mine.text, mine.subject = text, subject
        mine.versions = mine.versions if versions is None else versions
        mine.save(update_fields=["text", "subject", "versions"])
        if before != (mine.text, mine.subject, mine.versions):
            mine.note("Text changed.", by=by, now=timezone.now())
        self.refresh_from_db()

    @transaction.atomic
    def cancel(self, *, by: User) -> None:
        """Stop it, as far as nothing has left. Raises Stale once the first sending began."""
        mine = self.lock()
        if mine.state not in {State.DRAFT, State.HELD, State.RELEASED}:
            raise Stale("There is nothing to cancel.")
        update_in_order(mine.deliveries.filter(state="queued"), state="cancelled")
        if mine.deliveries.exclude(state="cancelled").exists():
            raise Stale("It is already being sent. Write a correction instead.")
        mine.become(State.CANCELLED)
        mine.note("Cancelled before it was sent.", by=by, now=timezone.now())
        self.refresh_from_db()

    def become(self, state: str) -> None:
        """Go to this state, and tell who looks at it."""
        if self.state == State.HELD != state:
            self.end_approval_notices()
        self.state = state
        self.save()
        publish(f"department:{self.department_id}", "response", self.pk)

    @property
    def approval_url(self) -> str:
        """Where approvers find it."""
        return f"{reverse('responses:approvals')}#response-{self.pk}"

    def end_approval_notices(self) -> None:
        """Mark the notices to approvers as read: it no longer waits for them."""
        asked = Notice.objects.unread().filter(kind=Notice.Kind.TO_APPROVE, url=self.approval_url)
        update_in_order(asked, read_at=timezone.now())

    def tell_author(
        self,
        kind: Notice.Kind,
        *,
        text: str,
        by: User | None = None,
        url: str = "",
        once: bool = False,
        now: datetime | None = None,
    ) -> None:
        """Ring the bell of whoever wrote it, unless they did it themselves."""
        url = url or self.get_absolute_url()
        about = self.case.as_subject if self.case else None
        Notice.give(
            [self.author_id], kind, by=by, about=about, text=text, url=url, once=once, now=now
        )

    @property
    def quote(self) -> str:
        """Its first words, for a notice."""
        words = f"“{Truncator(self.text).chars(160)}”"
        return words if self.case_id else f"{self.issue}: {words}"

    def note(self, why: str, *, by: User, now: datetime) -> None:
        """Write what happened into its own history and its case's."""
        self.events.create(by=by, why=why, at=now)
        if self.case:
            self.case.log(CaseEvent.Kind.ANSWERED, by=by, why=why, now=now, response=self.pk)
