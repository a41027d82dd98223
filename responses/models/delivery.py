from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from crm.budget import Budget
from crm.models import Account, Conversation, Instance, Interaction, Notice, Pause, Profile, User
from responses.models.response import Response
from responses.models.sending import Act, DeliveryQuerySet, Sending
from routing.models.status import Stale
from scrm.bus.live import publish
from scrm.bus.nudge import nudge
from scrm.channels.base import Outgoing, Receipt


class Delivery(models.Model):
    """One response on its way to one place from one account: the outbox row.

    uuid is the idempotence key, stored before the first try. amends: the sending whose post is
    corrected or taken down, by the same rules as anything that is sent; by, why: who took it
    down. A row leaves `queued` only by compare-and-set, and never comes back to it unless the
    text surely did not leave. answer_due_at: when to stop waiting for an answer. silent_at: when
    we did; one that comes after all takes it back.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    response = models.ForeignKey(Response, models.PROTECT, related_name="deliveries")
    account = models.ForeignKey(Account, models.PROTECT, related_name="deliveries")
    destination = models.CharField(max_length=500, blank=True)
    profile = models.ForeignKey(Profile, models.PROTECT, null=True, related_name="deliveries")
    conversation = models.ForeignKey(Conversation, models.PROTECT, null=True, related_name="+")
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")
    act = models.CharField(max_length=10, choices=Act.choices, default=Act.SAY)
    amends = models.ForeignKey("self", models.PROTECT, null=True, related_name="changes")
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    why = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=Sending.choices, default=Sending.QUEUED)
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
        """What is said there."""
        return self.response.words_on(self.account)

    @property
    def has_own_words(self) -> bool:
        return self.words != self.response.text

    @property
    def outgoing(self) -> Outgoing:
        """What the speaker is given, as far as it says which sending this is; never changes."""
        answered = self.response.in_reply_to
        same_network = answered is not None and answered.scope == self.account.network
        return Outgoing(
            nonce=str(self.uuid),
            text=self.words,
            subject=self.response.subject,
            destination=self.destination,
            handle=self.profile.handle if self.profile else "",
            in_reply_to=answered.key if answered and same_network else "",
            thread_key=self.conversation.thread_key if self.conversation else "",
            visibility=self.response.visibility,  # type: ignore[arg-type]
            about=answered.title if answered and same_network else "",
        )

    @property
    def parcel(self) -> Outgoing:
        """The same with all that goes with it, for the sending itself. Reads files."""
        said: list[str] = []
        if self.conversation:
            before = self.conversation.interactions.filter(scope=self.account.network)
            said = list(before.order_by("sort_at", "pk").values_list("key", flat=True))
        files = [each.as_file() for each in self.response.attachments.order_by("pk")]
        return replace(self.outgoing, references=tuple(said), attachments=tuple(files))

    @property
    def is_change(self) -> bool:
        return self.act != Act.SAY

    @property
    def receipt(self) -> Receipt:
        """What the network gave us for it; only for what was sent."""
        thread = self.interaction.conversation.thread_key if self.interaction else ""
        return Receipt(self.scope, self.sent_key, thread, self.url)

    @property
    def in_words(self) -> str:
        """Its state as a page says it."""
        if not self.is_change:
            return self.get_state_display()
        if self.state == Sending.SENT:
            return "Corrected" if self.act == Act.AMEND else "Taken down"
        return f"{self.get_act_display()}: {self.get_state_display().lower()}"

    @property
    def trouble(self) -> str:
        """What a state that is none of the good ones means, as a sentence."""
        if self.state == Sending.BOUNCED:
            return "The delivery bounced. The recipient did not get it."
        if self.state == Sending.UNKNOWN:
            what = "changed" if self.is_change else "sent"
            return f"It may or may not have been {what}."
        if not self.is_change:
            return "It was not sent."
        once = "The change failed."
        return (
            once
            if self.attempts < 2
            else "The last attempt failed. An earlier attempt may have succeeded."
        )

    @transaction.atomic
    def claim(self, *, now: datetime) -> bool:
        """Take it for one try. False if it is not due or not its turn, or somebody else has it."""
        if not self._has_its_turn(now):
            return False
        if self.amends_id:  # whoever changes a post is alone with it
            Delivery.objects.select_for_update(of=("self",)).get(pk=self.amends_id)
        attempt = uuid.uuid4()
        won = Delivery.objects.filter(
            pk__in=Delivery.objects.due(now).filter(pk=self.pk).values("pk"),
            state=Sending.QUEUED,
        ).update(
            state=Sending.SENDING,
            attempts=F("attempts") + 1,
            attempt_id=attempt,
            tried_at=now,
            waits_since=None,
            lease_until=now + timedelta(seconds=settings.SEND_LEASE_SECONDS),
            error="",
        )
        if won:
            self.refresh_from_db()
            self._tell()
            Instance.objects.count_attempt()
        return bool(won)

    def _has_its_turn(self, now: datetime) -> bool:
        """Whether its account's budget has room for it and for those who came before.

        Locks the account where it has a budget, so that two who count at once do not both go.
        """
        account = Account.objects.get(pk=self.account_id)
        if self.act == Act.WITHDRAW:  # what must go, goes at once
            return True
        if not Budget.of(account.config).limits:
            return True
        account = Account.objects.select_for_update(no_key=True).get(pk=self.account_id)
        free, _until = Delivery.objects.room(account, now)
        first = Delivery.objects.in_line(account, now).values_list("pk", flat=True)
        return free > 0 and self.pk in first[:free]

    @property
    def went_wrong(self) -> bool:
        """Whether its last try did not end with the network having it, as far as is known."""
        again = self.state == Sending.QUEUED and bool(self.error)
        return again or self.state in {Sending.FAILED, Sending.UNKNOWN}

    def back_to_queue(self, *, after: float, error: str, now: datetime) -> None:
        """It surely did not leave: try again later."""
        self._settle(state=Sending.QUEUED, send_after=now + timedelta(seconds=after), error=error)

    def fail(self, error: str) -> None:
        """It did not leave and will not as it is: a human deals with it."""
        self._settle(state=Sending.FAILED, error=error)

    def doubt(self, error: str, *, now: datetime) -> None:
        """It may have left: look it up before anything else is done."""
        self._settle(state=Sending.UNKNOWN, error=error, settle_after=now)
        nudge("scrm.pipeline.settle", self.pk)

    @transaction.atomic
    def stay_unknown(self, *, look_again: datetime | None) -> None:
        """The network could not say whether it left: its author hears of it, once.

        look_again: when it is asked again; None leaves it to a human.
        """
        mine = Delivery.objects.filter(pk=self.pk, state=Sending.UNKNOWN, settled_at=None)
        if mine.update(settle_after=look_again):
            self._ring(f"{self.trouble} {self.error}")

    @transaction.atomic
    def _settle(self, **values: object) -> None:
        """Leave `sending` or `unknown`, under the fence of this attempt, unless a human did."""
        values.setdefault("settle_after", None)
        changed = Delivery.objects.filter(
            pk=self.pk,
            attempt_id=self.attempt_id,
            state__in=[Sending.SENDING, Sending.UNKNOWN],
            settled_at=None,
        ).update(lease_until=None, **values)
        self.refresh_from_db()
        if changed and self.state == Sending.FAILED:
            self._ring(f"{self.trouble} {self.error}")
        self._tell()

    def _ring(self, text: str) -> None:
        url = f"{reverse('responses:sendings')}#sending-{self.pk}"
        self.response.tell_author(Notice.Kind.FAILED, text=text, url=url, once=True)

    def come_back(self, why: str) -> bool:
        """The other side gave it back: a human deals with it. Whether this call made it so."""
        sent = Delivery.objects.filter(pk=self.pk, state=Sending.SENT)
        if not sent.update(state=Sending.BOUNCED, error=why, settled_at=None):
            return False
        self.refresh_from_db()
        self._ring(f"The delivery bounced. {why}")
        self._tell()
        return True

    def _tell(self) -> None:
        publish(f"department:{self.response.department_id}", "delivery", self.pk)

    # What a human does with a sending that went wrong

    @transaction.atomic
    def send_again(self, *, by: User, now: datetime | None = None) -> Delivery:
        """A new sending that replaces this one; `by` has seen the old one. Raises Stale."""
        now = now or timezone.now()
        old = self.take_in_hand(now=now)
        if old.state not in {Sending.FAILED, Sending.UNKNOWN, Sending.BOUNCED}:
            raise Stale("This was not attempted yet. Nothing was sent twice.")
        again = Delivery.objects.create(
            response=old.response,
            account=old.account,
            destination=old.destination,
            profile=old.profile,
            conversation=old.conversation,
            replaces=old,
            act=old.act,
            amends=old.amends,
            by=old.by,
            why=old.why,
            send_after=now,
        )
        old.response.note(f"Sent again on {old.account}.", by=by, now=now)
        nudge("scrm.pipeline.deliver", again.pk)
        return again

    @transaction.atomic
    def send_late(self, *, by: User, now: datetime | None = None) -> None:
        """Let what was overdue leave after all."""
        now = now or timezone.now()
        if not Delivery.objects.overdue(now).filter(pk=self.pk).update(send_after=now):
            raise Stale("This delivery is no longer waiting.")
        self.response.note("Sent late, after an outage.", by=by, now=now)
        nudge("scrm.pipeline.deliver", self.pk)

    @transaction.atomic
    def put_away(self, *, by: User, now: datetime | None = None) -> None:
        """A human has dealt with it elsewhere: it stays in the record, not in the list."""
        now = now or timezone.now()
        old = self.take_in_hand(now=now)
        if old.state == Sending.QUEUED:
            Delivery.objects.filter(pk=self.pk).update(state=Sending.CANCELLED)
        self.response.note(f"Dismissed: {old.error}", by=by, now=now)
        self.refresh_from_db()

    @property
    def is_overtaken(self) -> bool:
        """A later correction, or a taking down, is there: this one must not undo it.

        By what was written later, not by which sending is the newer one: it may be sent again.
        """
        newer = Q(act=Act.WITHDRAW) | Q(act=Act.AMEND, response__gt=self.response_id)
        there = Delivery.objects.filter(newer, amends=self.amends_id, state=Sending.SENT)
        return self.act == Act.AMEND and there.exists()

    def take_in_hand(self, *, now: datetime) -> Delivery:
        """Lock it; from now on the machine leaves it alone. Raises Stale if that is done."""
        mine = Delivery.objects.to_check(now).filter(pk=self.pk)
        if not mine.update(settled_at=now, settle_after=None):
            raise Stale("This was already resolved. Nothing was sent twice.")
        return Delivery.objects.select_related("response", "account").get(pk=self.pk)
