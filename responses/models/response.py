from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator

from crm.models import Account, Attachment, Department, Interaction, Notice, User
from responses.models.response_search import RESPONSE_SEARCH
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
    """Raised if a response cannot be changed or sent.

    The message says why, and users see it. Nothing was changed. `field` is the name of the form
    field that it concerns, or None.
    """

    field: str | None = None


class ResponseQuerySet(models.QuerySet["Response"]):
    def visible_to(self, user: User) -> ResponseQuerySet:
        """Return the responses that the user may see.

        These are the responses of the user's cases and departments, the responses that the user
        wrote, and published posts. Supervisors and admins may see all responses.
        """
        if user.sees_everything:
            return self
        return self.filter(seen_by(user))

    def about(self, issue: Issue) -> ResponseQuerySet:
        """Return the posts about the issue, and all responses to the cases of the issue."""
        return self.filter(Q(issue=issue, audience="many") | Q(case__issue=issue))

    def unsettled(self) -> ResponseQuerySet:
        """Return the responses with which users are not finished.

        These are drafts, held responses, and responses with a delivery that waits, is being sent or
        has a problem.
        """
        waiting = Q(deliveries__state__in=["queued", "sending", "failed", "unknown", "bounced"])
        open_ones = Q(state__in=[State.DRAFT, State.HELD])
        return self.filter(
            open_ones | (Q(state=State.RELEASED, deliveries__settled_at=None) & waiting)
        ).distinct()

    def not_cancelled(self) -> ResponseQuerySet:
        """Leave out the responses that were undone or cancelled before they were sent."""
        return self.exclude(state=State.CANCELLED)

    def alive(self) -> ResponseQuerySet:
        """Return the held or released responses that were sent or may still be sent.

        At least one of their deliveries is neither cancelled nor bounced.
        """
        possibly_sent = Q(deliveries__state__in=["queued", "sending", "unknown", "sent", "failed"])
        return self.filter(possibly_sent, state__in=[State.HELD, State.RELEASED]).distinct()

    def held(self) -> ResponseQuerySet:
        return self.filter(state=State.HELD)

    def undecided(self, now: datetime) -> ResponseQuerySet:
        """Return the held responses that must be escalated now.

        Nobody has approved these responses before the deadline, and they were not escalated yet.
        """
        late = {"approval_request__decide_by__lte": now, "approval_request__escalated_at": None}
        return self.held().filter(**late)

    def to_review(self) -> ResponseQuerySet:
        """Return the released responses that a rule marked for review and nobody has reviewed."""
        return self.filter(state=State.RELEASED, to_review=True, reviewed_at=None)

    def approvable_by(self, user: User) -> ResponseQuerySet:
        """Return the held responses of the departments that the user leads."""
        return self.held().led_by(user)

    def reviewable_by(self, user: User) -> ResponseQuerySet:
        """Return the responses to review in departments that the user leads.

        Users cannot review their own responses.
        """
        return self.to_review().led_by(user).exclude(author=user)

    def on_approval_page_of(self, user: User) -> tuple[ResponseQuerySet, ResponseQuerySet]:
        """Return what the page “To approve” lists; the menu and the map count it.

        These are the responses that the user may approve, and those that the user may review. They
        are two queries, because each of them has an index of its own.
        """
        return self.approvable_by(user), self.reviewable_by(user)

    def led_by(self, user: User) -> ResponseQuerySet:
        """Return the responses of the departments that the user leads.

        Supervisors and admins lead all departments.
        """
        return self.filter(department__in=Department.objects.led_by(user))

    def lock(self) -> list[Response]:
        """Lock these responses until the commit, and return them.

        Their cases, the cases of other people whom they serve, and the cases into which these were
        merged are locked first.
        """
        cases = ("case", "case__merged_into", "served__case", "served__case__merged_into")
        found = list(self.values_list("pk", *cases))
        Case.objects.filter(pk__in={case for row in found for case in row[1:] if case}).lock()
        return list(locked(self.filter(pk__in={row[0] for row in found})))


def seen_by(user: User, of: str = "") -> Q:
    """Return a condition that selects the responses that the user may see.

    The condition is for users who cannot see all departments. `of` is the prefix of the response's
    fields in the query, for example `response__`. The conditions on the case are the same as in
    `Case.visible_to`. They are repeated here because a subquery would be slow.
    """

    def matches(**facts: Any) -> Q:
        return Q(**{f"{of}{name}": value for name, value in facts.items()})

    departments = user.memberships.values("department")
    transferred = CaseEvent.transfers(by=user).filter(case=OuterRef(f"{of}case"))
    # Users outside the department must not read a post before its planned time.
    is_due = matches(send_at=None) | matches(send_at__lte=timezone.now())
    open_transferred = Exists(transferred) & ~matches(case__status__in=CLOSED)
    case = matches(case__department__in=departments) | open_transferred
    return (
        (case & matches(department__is_restricted=False))
        | matches(department__in=departments)
        | matches(author=user)
        | (matches(audience="many", state=State.RELEASED) & is_due)
    )


class Response(models.Model):
    """A text that we send, with its author. The text can change only while its state is “draft”.

    `uuid` is the UUID of the form, so that a double click creates only one response. The text is
    sent in the name of `department`. `in_reply_to` is the interaction that the text answers; if
    `is_quote` is true, the text quotes it instead. `seen` is the party's newest message that the
    author had read; later messages do not count as answered. `acknowledges` is the private reply of
    which this public text only says that we have answered; it is sent after that reply. `versions`
    maps the id of an account to a different text for that account. `copies` are the addresses of
    further recipients of a mail, who see one another. The text is not sent before
    `send_at`. `verdict` contains the reasons that the business rules gave.
    """

    class Audience(models.TextChoices):
        ONE = "one", "One person"
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
    acknowledges = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="acknowledgements"
    )
    audience = models.CharField(max_length=4, choices=Audience.choices)
    visibility = models.CharField(max_length=7, choices=Visibility.choices)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField()
    versions = models.JSONField(default=dict)
    copies = ArrayField(models.CharField(max_length=1000), default=list)
    as_thread = models.BooleanField(default=False)
    is_quote = models.BooleanField(default=False)
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
            RESPONSE_SEARCH,
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
        # The database itself refuses to change a text that was held or released.
        triggers = frozen(
            "text", "subject", "audience", "visibility", "is_quote", "author_id", "versions",
            "copies", "send_at",
            unless="OLD.state = 'draft'",
            never="NEW.state = 'draft' AND OLD.state NOT IN ('draft', 'held')",
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_audience_display()}: {self.text[:60]}"

    def get_absolute_url(self) -> str:
        return reverse("responses:response", args=[self.pk])

    @property
    def is_macro(self) -> bool:
        return self.audience == self.Audience.MANY

    @property
    def corrects_in_place(self) -> bool:
        """Whether this response changes the text of a published post.

        If this is False, the response publishes a text of its own.
        """
        return any(delivery.act == "amend" for delivery in self.deliveries.all())

    @property
    def is_taken_down(self) -> bool:
        """Whether every text that this response published or corrected was taken down."""
        mine = {(delivery.act, delivery.state) for delivery in self.deliveries.all()}
        posted = self.corrects if self.corrects and ("amend", "sent") in mine else self
        sent = [delivery for delivery in posted.deliveries.all() if delivery.state == "sent"]
        removed = {delivery.amends_id for delivery in sent if delivery.act == "withdraw"}
        posts = {delivery.pk for delivery in sent if delivery.act == "say"}
        return bool(removed) and removed == posts

    @property
    def content_hash(self) -> str:
        """The hash of the text, visibility, recipients and files, which each approval stores."""
        places = [
            (delivery.account_id, delivery.destination)
            for delivery in self.deliveries.all()
            if delivery.act != "withdraw"  # a removal has no recipient of its own
        ]
        how = self.audience, f"{self.visibility} quote" if self.is_quote else self.visibility
        files = [str(file.uuid) for file in self.attachments.all()]
        return content_hash(
            self.text, self.subject, *how, places, self.versions, files, self.copies
        )

    @property
    def may_be_thread(self) -> bool:
        """Whether the text is sent as several posts if it is too long; only public texts are."""
        return self.as_thread and self.visibility == self.Visibility.PUBLIC

    def answered_on(self, network: str) -> Interaction | None:
        """Return the interaction that this text answers or quotes if it is on this network."""
        answered = self.in_reply_to
        return answered if answered and answered.scope == network else None

    def words_on(self, account: Account) -> str:
        """Return the account's own version of the text if there is one, else the common text."""
        return str(self.versions.get(str(account.pk), self.text))

    def lock(self) -> Response:
        """Lock the case and then the response until the commit; return the reloaded response."""
        return Response.objects.filter(pk=self.pk).lock()[0]

    # Actions

    @transaction.atomic
    def edit(
        self, *, text: str, subject: str = "", versions: dict[str, str] | None = None, by: User
    ) -> None:
        """Change the text of a draft or a held response.

        A held response becomes a draft again, and approvals of the earlier text are no longer
        valid. Raises Stale if the response was already released or cancelled.
        """
        mine = self.lock()
        if mine.state == State.HELD:
            # The text must pass the rules again before it is held or released.
            mine.become(State.DRAFT)
        if mine.state != State.DRAFT:
            raise Stale(
                "This text was already sent and cannot be changed. Write a correction instead."
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
        """Cancel the response before it is sent, and with it its public acknowledgement.

        Raises Stale if a delivery was already attempted.
        """
        unsent = Q(acknowledges=self.pk, state__in=[State.DRAFT, State.HELD, State.RELEASED])
        rows = {row.pk: row for row in Response.objects.filter(Q(pk=self.pk) | unsent).lock()}
        mine = rows[self.pk]
        if mine.state not in {State.DRAFT, State.HELD, State.RELEASED}:
            raise Stale("This response can no longer be cancelled.")
        deliveries = mine.deliveries.model.objects.filter(response__in=rows)
        update_in_order(deliveries.filter(state="queued"), state="cancelled")
        # This is checked after the update, so that a delivery that was claimed before it is found.
        if mine.deliveries.exclude(state="cancelled").exists():
            raise Stale("The text is already being sent. Write a correction instead.")
        for row in rows.values():
            row.become(State.CANCELLED)
            row.note("Cancelled before it was sent.", by=by, now=timezone.now())
        self.refresh_from_db()

    def become(self, state: str) -> None:
        """Store the new state, and update the open pages that show the response.

        If the response is no longer held, the notices for its approvers are marked as read.
        """
        if self.state == State.HELD != state:
            self.end_approval_notices()
        self.state = state
        self.save()
        publish(f"department:{self.department_id}", "response", self.pk)

    @property
    def approval_url(self) -> str:
        """The URL of the response on the page of approvals."""
        return f"{reverse('responses:approvals')}#response-{self.pk}"

    def end_approval_notices(self) -> None:
        """Mark the notices that asked users to approve this response as read."""
        notices = Notice.objects.unread().filter(kind=Notice.Kind.TO_APPROVE, url=self.approval_url)
        update_in_order(notices, read_at=timezone.now())

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
        """Notify the author of the response, unless `by`, who caused the notice, is the author."""
        url = url or self.get_absolute_url()
        about = self.case.as_subject if self.case else None
        Notice.give(
            [self.author_id], kind, by=by, about=about, text=text, url=url, once=once, now=now
        )

    @property
    def quote(self) -> str:
        """The beginning of the text, for notices."""
        beginning = f"“{Truncator(self.text).chars(160)}”"
        return beginning if self.case_id else f"{self.issue}: {beginning}"

    def note(self, why: str, *, by: User, now: datetime) -> None:
        """Add an event to the history of the response and to the history of its case."""
        self.events.create(by=by, why=why, at=now)
        if self.case:
            self.case.log(CaseEvent.Kind.ANSWERED, by=by, why=why, now=now, response=self.pk)
