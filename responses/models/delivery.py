from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from crm.models import Account, Conversation, Instance, Interaction, Notice, Pause, Profile, User
from responses.models import acknowledged
from responses.models.delivery_state import UNSETTLED, DeliveryAction, DeliveryState
from responses.models.response import Response, seen_by
from responses.text_limits import thread_of
from scrm.bus.live import publish
from scrm.bus.nudge import nudge
from scrm.channels.base import Outgoing, Receipt
from scrm.db.locks import locked, update_in_order


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, user: User) -> DeliveryQuerySet:
        return self if user.sees_everything else self.filter(seen_by(user, "response__"))

    def at_hand_of(self, user: User) -> DeliveryQuerySet:
        """Return the deliveries whose problems this user may have to solve.

        These are the deliveries of their responses, and of responses and cases of their
        departments. Supervisors and admins get all deliveries.
        """
        if user.sees_everything:
            return self
        departments = user.memberships.values("department")
        of_case = Q(
            response__case__department__in=departments, response__department__is_restricted=False
        )
        own = Q(response__author=user) | Q(response__department__in=departments)
        return self.filter(own | of_case)

    def due(self, now: datetime) -> DeliveryQuerySet:
        """Return the deliveries that must be sent now.

        These are queued deliveries of released responses whose time has come and that are not
        overdue. The result is empty while sending is paused, or in a database restored from a copy.
        Deliveries of accounts that are paused, inactive or waiting for their login are left out.

        Only one correction or removal of a post is sent at a time. The others wait until its result
        is known. An acknowledgement waits until its private reply was sent.
        """
        under_way = Q(state=DeliveryState.SENDING) | Q(
            state=DeliveryState.UNKNOWN, settle_after__isnull=False
        )
        others = Delivery.objects.filter(under_way, amends=OuterRef("amends"))
        busy = Exists(others.exclude(pk=OuterRef("pk")))
        return (
            self.filter(
                Q(amends=None) | ~busy,
                acknowledged.reply_was_sent(Delivery.objects.all()),
                state=DeliveryState.QUEUED,
                settled_at=None,
                response__state="released",
                send_after__lte=now,
                send_after__gt=now - timedelta(seconds=settings.STALE_SEND_SECONDS),
                account__paused_at=None,
                account__is_active=True,
            )
            .exclude(account__in=Account.objects.waiting_for_login(now))
            .exclude(Exists(Pause.objects.open()))
            # The original of a copied database may still send these deliveries.
            .exclude(Exists(Instance.objects.moved()))
        )

    def overdue(self, now: datetime) -> DeliveryQuerySet:
        """Return the queued deliveries whose time passed STALE_SEND_SECONDS ago, as in an outage.

        A user must decide whether to send them late or not at all.
        """
        return self.filter(
            acknowledged.reply_was_sent(Delivery.objects.all()),
            state=DeliveryState.QUEUED,
            settled_at=None,
            response__state="released",
            send_after__lte=now - timedelta(seconds=settings.STALE_SEND_SECONDS),
        )

    def to_check(self, now: datetime) -> DeliveryQuerySet:
        """Return failed, unknown, bounced and overdue deliveries that no user has handled yet."""
        failed = Q(state__in=[DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.BOUNCED])
        # This is a subquery and not a join: take_in_hand() updates these rows by compare-and-set.
        overdue = Q(pk__in=self.overdue(now).values("pk"))
        # Filter by UNSETTLED too: only then PostgreSQL uses the index of unsettled deliveries.
        return self.filter(failed | overdue, state__in=UNSETTLED, settled_at=None)

    def to_settle(self, now: datetime) -> DeliveryQuerySet:
        """Return the unknown deliveries about which the network must be asked now."""
        return self.filter(state=DeliveryState.UNKNOWN, settled_at=None, settle_after__lte=now)

    def give_up_on_the_dead(self, now: datetime) -> int:
        """Mark deliveries as unknown whose worker died before its lease lapsed; return how many."""
        # The state must not be `queued`: the text may have been sent before the worker died.
        return update_in_order(
            self.filter(state=DeliveryState.SENDING, lease_until__lt=now),
            state=DeliveryState.UNKNOWN,
            lease_until=None,
            settle_after=now,
            error="The sending process stopped. It may have been sent.",
        )

    def lock(self) -> list[Delivery]:
        """Lock these deliveries until the commit; return them.

        To avoid deadlocks, the cases are locked first, then the responses, then the deliveries.
        """
        found = dict(self.values_list("pk", "response"))
        Response.objects.filter(pk__in=found.values()).lock()
        return list(locked(self.filter(pk__in=found)))


class Delivery(models.Model):
    """One response on its way from one account to one recipient or place: a row of the outbox.

    `uuid` is the idempotency key, which is stored before the first attempt. A delivery leaves the
    state `queued` only by compare-and-set. The delivery of a new text returns to `queued` only if
    the text was certainly not sent. `amends` is the delivery whose published text this delivery
    corrects or removes. It is None for a new text. If this delivery removes a text, `by` is the
    user who removed the text, and `why` is the reason.

    If no answer arrives before `answer_due_at`, the delivery is marked as unanswered at
    `silent_at`. If an answer arrives later, `silent_at` is set to None again.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    response = models.ForeignKey(Response, models.PROTECT, related_name="deliveries")
    account = models.ForeignKey(Account, models.PROTECT, related_name="deliveries")
    destination = models.CharField(max_length=500, blank=True)
    profile = models.ForeignKey(Profile, models.PROTECT, null=True, related_name="deliveries")
    conversation = models.ForeignKey(Conversation, models.PROTECT, null=True, related_name="+")
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")
    act = models.CharField(max_length=10, choices=DeliveryAction, default=DeliveryAction.SAY)
    amends = models.ForeignKey("self", models.PROTECT, null=True, related_name="changes")
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    why = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.QUEUED)
    send_after = models.DateTimeField(null=True)
    waits_since = models.DateTimeField("held back by the budget of its account since", null=True)
    tried_at = models.DateTimeField("the last try", null=True)
    attempts = models.PositiveIntegerField(default=0)
    attempt_id = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    settle_after = models.DateTimeField(null=True)
    settled_at = models.DateTimeField("a human dealt with it", null=True)
    doubted_in = models.ForeignKey(
        Pause, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="the hold of a restored database that made it unknown",
    )  # fmt: skip
    scope = models.CharField(max_length=600, blank=True)
    sent_key = models.CharField(max_length=1000, blank=True)
    sent_at = models.DateTimeField(null=True)
    url = models.CharField(max_length=2000, blank=True)
    error = models.TextField(blank=True)
    interaction = models.ForeignKey(
        Interaction, models.PROTECT, null=True, related_name="deliveries"
    )
    answer_due_at = models.DateTimeField(null=True)
    silent_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["response", "account", "destination"],
                condition=Q(replaces=None, amends=None),
                name="delivery_once_a_place",
            ),
            models.UniqueConstraint(
                fields=["response", "amends"],
                condition=Q(replaces=None, amends__isnull=False) & ~Q(state="cancelled"),
                name="delivery_changes_once",
            ),
            models.CheckConstraint(
                condition=Q(act="say", amends=None) | (~Q(act="say") & Q(amends__isnull=False)),
                name="delivery_changes_something",
            ),
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False, interaction__isnull=False),
                name="sent_is_in_the_ledger",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "-tried_at"],
                name="delivery_tried",
                condition=Q(tried_at__isnull=False),
            ),
            models.Index(fields=["tried_at"], name="delivery_tried_lately"),
            models.Index(fields=["send_after"], name="delivery_due", condition=Q(state="queued")),
            models.Index(
                fields=["lease_until"], name="delivery_leaving", condition=Q(state="sending")
            ),
            models.Index(
                fields=["scope", "sent_key"], name="delivery_sent", condition=~Q(sent_key="")
            ),
            models.Index(
                fields=["state"],
                name="delivery_unsettled",
                condition=Q(state__in=["queued", "failed", "unknown", "bounced"], settled_at=None),
            ),
            models.Index(
                fields=["answer_due_at"],
                name="delivery_unanswered",
                condition=Q(answer_due_at__isnull=False),
            ),
            models.Index(
                fields=["response"],
                name="delivery_silent",
                condition=Q(silent_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.response} by {self.account} to {self.destination or 'everyone'}"

    @property
    def words(self) -> str:
        """The text that this delivery sends from its account."""
        return self.response.words_on(self.account)

    @property
    def has_own_words(self) -> bool:
        return self.words != self.response.text

    @property
    def outgoing(self) -> Outgoing:
        """The message without references and files. Only `tried_at` differs between attempts."""
        answered, is_quote = self.response.answered_on(self.account.network), self.response.is_quote
        key = answered.key if answered else ""
        message = Outgoing(
            nonce=str(self.uuid),
            text=self.words,
            subject=self.response.subject,
            destination=self.destination,
            handle=self.profile.handle if self.profile else "",
            in_reply_to="" if is_quote else key,
            quote=key if is_quote else "",
            thread_key=self.conversation.thread_key if self.conversation and not is_quote else "",
            visibility=self.response.visibility,  # type: ignore[arg-type]
            about=answered.title if answered else "",
            tried_at=self.tried_at,
            copies=self.copies,
        )
        as_thread = self.response.may_be_thread
        return replace(message, parts=thread_of(message, self.account)) if as_thread else message

    @property
    def parcel(self) -> Outgoing:
        """The complete message for the network, with references and the contents of files."""
        references: list[str] = []
        if self.conversation:
            known = Q(direction="out") | Q(revises=None)  # there are no keys for edited versions
            before = self.conversation.interactions.filter(known, scope=self.account.network)
            references = list(before.order_by("sort_at", "pk").values_list("key", flat=True))
        files = [file.as_file() for file in self.response.attachments.order_by("pk")]
        return replace(self.outgoing, references=tuple(references), attachments=tuple(files))

    @property
    def copies(self) -> tuple[str, ...]:
        """The recipients of copies; none if the bounced mail is sent again, as they have got it."""
        is_again = self.replaces and self.replaces.state == DeliveryState.BOUNCED
        return tuple(self.response.copies) if self.account.channel.copies and not is_again else ()

    @property
    def is_change(self) -> bool:
        return self.act != DeliveryAction.SAY

    @property
    def receipt(self) -> Receipt:
        """The key and the URL of the text on the network; valid only after the text was sent."""
        thread = self.interaction.conversation.thread_key if self.interaction else ""
        return Receipt(self.scope, self.sent_key, thread, self.url)

    @property
    def in_words(self) -> str:
        """The label of the state, as pages show it."""
        if not self.is_change:
            return self.get_state_display()
        if self.state == DeliveryState.SENT:
            return "Corrected" if self.act == DeliveryAction.AMEND else "Taken down"
        return f"{self.get_act_display()}: {self.get_state_display().lower()}"

    @property
    def trouble(self) -> str:
        """A sentence that explains to users why this delivery is bounced, unknown or failed."""
        if self.state == DeliveryState.BOUNCED:
            return "The delivery bounced. The recipient did not get it."
        if self.state == DeliveryState.UNKNOWN:
            verb = "changed" if self.is_change else "sent"
            return f"It may or may not have been {verb}."
        if not self.is_change:
            return "It was not sent."
        if self.attempts < 2:
            return "The change failed."
        return "The last attempt failed. An earlier attempt may have succeeded."

    @property
    def went_wrong(self) -> bool:
        """Whether the last attempt failed or has an unknown result."""
        queued_again = self.state == DeliveryState.QUEUED and bool(self.error)
        return queued_again or self.state in {DeliveryState.FAILED, DeliveryState.UNKNOWN}

    def back_to_queue(self, *, after: float, error: str, now: datetime) -> None:
        """Queue the delivery again, for an attempt in `after` seconds.

        For a new text, call this only if the text was certainly not sent.
        """
        due = now + timedelta(seconds=after)
        self._settle(state=DeliveryState.QUEUED, send_after=due, error=error)

    def fail(self, error: str) -> None:
        """Mark the delivery as failed. It was not sent, and a user decides what to do."""
        self._settle(state=DeliveryState.FAILED, error=error)

    def doubt(self, error: str, *, now: datetime) -> None:
        """Mark the delivery as unknown, because it may have been sent.

        A task then asks the network whether it was sent.
        """
        self._settle(state=DeliveryState.UNKNOWN, error=error, settle_after=now)
        nudge("scrm.pipeline.settle", self.pk)

    @transaction.atomic
    def stay_unknown(self, *, look_again: datetime | None) -> None:
        """Keep the delivery unknown, because the network could not say whether it was sent.

        The author is notified once. The network is asked again at `look_again`. If `look_again` is
        None, a user decides what to do.
        """
        mine = Delivery.objects.filter(pk=self.pk, state=DeliveryState.UNKNOWN, settled_at=None)
        # Compare-and-set: if a user decided meanwhile, nobody is notified.
        if mine.update(settle_after=look_again):
            self.notify_author(f"{self.trouble} {self.error}")

    @transaction.atomic
    def _settle(self, **values: object) -> None:
        """Store the result of an attempt.

        Nothing is changed if another attempt has begun, if a user has handled the delivery, or if
        its state is neither `sending` nor `unknown`.
        """
        values.setdefault("settle_after", None)
        # The fence: an attempt that lost its claim must change nothing.
        changed = Delivery.objects.filter(
            pk=self.pk,
            attempt_id=self.attempt_id,
            state__in=[DeliveryState.SENDING, DeliveryState.UNKNOWN],
            settled_at=None,
        ).update(lease_until=None, **values)
        self.refresh_from_db()
        if changed and self.state == DeliveryState.FAILED:
            self.notify_author(f"{self.trouble} {self.error}")
        self.publish_change()

    def notify_author(self, text: str) -> None:
        url = f"{reverse('responses:delivery_problems')}#sending-{self.pk}"
        self.response.tell_author(Notice.Kind.FAILED, text=text, url=url, once=True)

    def come_back(self, why: str) -> bool:
        """Mark the delivery as bounced, and notify the author.

        Returns False and changes nothing if the state is not `sent`, for example because this
        bounce was already stored.
        """
        # Compare-and-set: a bounce that arrives twice changes the delivery once.
        sent = Delivery.objects.filter(pk=self.pk, state=DeliveryState.SENT)
        if not sent.update(state=DeliveryState.BOUNCED, error=why, settled_at=None):
            return False
        self.refresh_from_db()
        self.notify_author(f"The delivery bounced. {why}")
        self.publish_change()
        return True

    def publish_change(self) -> None:
        publish(f"department:{self.response.department_id}", "delivery", self.pk)

    @property
    def is_overtaken(self) -> bool:
        """Whether a later correction or a removal of the same post was already sent.

        If so, this delivery must not be sent. The order of corrections is the order of their
        responses. The order of their deliveries does not count: if a correction is sent again, it
        gets a new delivery.
        """
        # Nothing may be published again after a removal.
        later = Q(act=DeliveryAction.AMEND, response__gt=self.response_id)
        newer = Q(act=DeliveryAction.WITHDRAW) | later
        there = Delivery.objects.filter(newer, amends=self.amends_id, state=DeliveryState.SENT)
        return self.act == DeliveryAction.AMEND and there.exists()
