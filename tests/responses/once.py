"""A state machine that tests guarantee G1 (docs/guarantees.md) with random sequences of events.

The events are, for example, clicks, crashes of workers and late answers of the network. The
guarantee says that a response is sent at most once, never without the approvals that it needs, and
never after an undo. It also says that no response is silently lost, and that the published text
equals the recorded text.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar
from unittest.mock import patch

from django.db import transaction
from django.utils import timezone
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crm.ledger import Entry, record
from crm.models import Account, Department, Interaction, Pause, User
from responses import check_sending, outbox, release, throttle
from responses.compose import Words, places_for, reply, state_publicly
from responses.corrections import correct, newest, take_down, undo
from responses.models import Delivery, Gap, RecordCheck, Response
from responses.models.response import Refused
from responses.record_check import run
from responses.rules.judge import content_hash
from routing.join import join_message
from routing.merging import merge, undo_merge
from routing.models import Case, CaseConversation, CaseEvent
from routing.models.status import Stale
from routing.splitting import split_off_conversation, undo_split
from scrm.channels.base import Author, Item, Outgoing, Receipt
from scrm.channels.registry import channel
from tests.lock_recorder import recorded_locks
from tests.responses.network import Network


class Crash(BaseException):
    """An exception that simulates the death of a process.

    It derives from BaseException, so `except Exception` in the tested code does not catch it.
    """


@dataclass(frozen=True)
class Cast:
    """The people and rows of the machine; `conversation` is the id of the complaint's."""

    case: Case
    conversation: int
    accounts: list[Account]
    department: Department
    agent: User
    lead: User
    supervisor: User


STEPS: list[tuple[Any, str]] = [
    (outbox, "claim"),
    (Network, "send"),
    (Network, "find"),
    (Network, "amend"),
    (Network, "withdraw"),
    (outbox, "mark_sent"),
    (outbox, "record"),
    (outbox, "adopt"),
]
MOODS = ["well", "well", "well", "answer lost", "slow", "down", "refuses", "broken"]
TEXTS = ["We are sorry.", "Here is a refund.", "A refund, and a lawyer."]
"""The second text is held for a team lead, the third one for a supervisor as well."""
MAX_RESPONSES = 8
"""Maximum number of responses in one run.

It is small so that many things happen to each of them.
"""

Move = Callable[["Once", Random], None]
_moves: dict[Move, int] = {}


def move(weight: int) -> Callable[[Move], Move]:
    """Register a function as a possible event of the state machine.

    An event with a higher `weight` is chosen more often. The function must take every random choice
    from the random generator that it gets as an argument.
    """

    def store(function: Move) -> Move:
        _moves[function] = weight
        return function

    return store


@contextmanager
def dying(at: tuple[tuple[Any, str], str] | None) -> Iterator[None]:
    """Let the worker die before or after a step, if the worker reaches this step.

    `at` contains the object, the name of its function, and "before" or "after". If `at` is None,
    nothing is changed.
    """
    if at is None:
        yield
        return
    (owner, name), when = at
    step = getattr(owner, name)

    def deadly(*args: Any, **kwargs: Any) -> None:
        if when == "after":
            step(*args, **kwargs)
        raise Crash

    with suppress(Crash), patch.object(owner, name, deadly):
        yield


class Once(RuleBasedStateMachine):
    """The state machine for guarantee G1.

    Each step is one number from Hypothesis. The number is the seed of a random generator, and the
    generator chooses the event. Therefore every event is possible at any time, and Hypothesis can
    leave out any step to shorten a failing sequence.
    """

    cast: ClassVar[Cast]
    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.now = timezone.now()
        self.network = Network(self.kind, self.cast.accounts[0].network)
        self.network.check = self.watch
        self.breaches: list[AssertionError] = []
        self.responses: list[int] = []
        self.asleep: list[tuple[Delivery, Any]] = []
        self.forms: set[uuid.UUID] = set()
        self.taken_back: set[int] = set()
        self.by_hand: set[int] = set()
        self.moved: list[CaseEvent] = []
        self.calls: dict[int, list[datetime]] = defaultdict(list)
        self.stack.enter_context(transaction.atomic())
        self.locks = self.stack.enter_context(recorded_locks())
        plug = replace(channel("sandbox"), speaker=self.network, editor=self.network)
        self.stack.enter_context(patch.object(Account, "channel", plug))
        self.stack.enter_context(patch.object(timezone, "now", lambda: self.now))
        self.stack.enter_context(patch.object(outbox, "_log"))

    @rule(seed=st.integers(0, 2**20))
    def something_happens(self, seed: int) -> None:
        dice = Random(seed)
        happens = dice.choices(list(_moves), list(_moves.values()))[0]
        note(happens.__name__)
        happens(self, dice)

    # Actions of staff

    @move(5)
    def click_send(self, dice: Random) -> None:
        self._click(dice.choice(TEXTS), wide=dice.random() < 0.5, later=dice.random() < 0.3)

    @move(8)
    def say_and_let_it_leave(self, dice: Random) -> None:
        """Send a response without any fault, so that later events can act on a sent response."""
        response = self._click(dice.choice(TEXTS), wide=dice.random() < 0.6, later=False)
        self._sign(response.pk)
        self._let_it_leave(response, dice)

    def _let_it_leave(self, response: Response, dice: Random) -> None:
        self.now += timedelta(seconds=11)
        for delivery in response.deliveries.all():
            if dice.random() < 0.8:
                self._try(delivery, dice)

    def _click(self, text: str, *, wide: bool, later: bool) -> Response:
        """Submit the same form twice, as a user does who clicks twice, and return the response.

        If there are already `MAX_RESPONSES` responses, submit nothing and return the newest one.
        """
        if len(self.responses) >= MAX_RESPONSES:
            return self._response(self.responses[-1])
        form = uuid.uuid4()
        self.forms.add(form)
        first, second = (self._write(form, text, wide, later) for _click in range(2))
        assert first.pk == second.pk
        self.responses.append(first.pk)
        return first

    def _write(self, form: uuid.UUID, text: str, wide: bool, later: bool) -> Response:
        case = self._case()
        at = self.now + timedelta(minutes=9) if later else None
        words = Words(form, text, "public", seen=case.last_inbound_id, send_at=at)
        if not wide:
            return reply(case, words, place=places_for(case)[0], by=self.cast.agent)
        accounts, department = self.cast.accounts, self.cast.department
        return state_publicly(
            words, accounts=accounts, by=self.cast.agent, department=department, case=case
        )

    @move(7)
    def approve(self, dice: Random) -> None:
        held = list(Response.objects.held().order_by("pk").values_list("pk", flat=True))
        pk = dice.choice(held) if held else self._some(dice)
        self._approve(pk, dice.choice(["agent", "lead", "supervisor"]))

    def _approve(self, pk: int, who: str) -> None:
        with suppress(Stale, Refused):
            release.approve(self._response(pk), by=getattr(self.cast, who))

    def _sign(self, pk: int) -> None:
        self._approve(pk, "lead")
        self._approve(pk, "supervisor")

    @move(1)
    def send_back(self, dice: Random) -> None:
        with suppress(Stale):
            release.send_back(self._response(self._some(dice)), by=self.cast.lead, why="No.")

    @move(2)
    def edit(self, dice: Random) -> None:
        self._edit(self._some(dice), dice.choice(TEXTS), then_send=dice.random() < 0.7)

    def _edit(self, pk: int, text: str, *, then_send: bool) -> None:
        with suppress(Stale, Refused):
            self._response(pk).edit(text=text, by=self.cast.agent)
            if then_send:
                release.send(self._response(pk), by=self.cast.agent)

    @move(5)
    def the_words_change_after_the_first_signature(self, dice: Random) -> None:
        pk = self._click("A refund, and a lawyer.", wide=dice.random() < 0.5, later=False).pk
        self._approve(pk, "lead")
        self._edit(pk, "A refund, and a lawyer, truly.", then_send=True)
        self._approve(pk, "supervisor")

    @move(4)
    def cancel(self, dice: Random) -> None:
        pk = self._some(dice)
        with suppress(Stale):
            undo(self._response(pk), by=self.cast.agent)
            self.taken_back.add(pk)
            said = {str(each.uuid) for each in self._response(pk).deliveries.all()}
            assert not said & (self.network.arrived.keys() | self.network.under_way.keys())

    @move(8)
    def correct(self, dice: Random) -> None:
        """Correct a statement once or twice.

        The second correction can come before the first one is sent.
        """
        pk = self._one_that_stands(dice)
        for _turn in range(dice.choice([1, 1, 2])):
            form = uuid.uuid4()
            words = Words(form, dice.choice(TEXTS), "public")
            with suppress(Stale, Refused):
                over = self._seen(pk, dice)
                mine = correct(self._response(pk), words, over=over, by=self.cast.agent)
                self.forms.add(form)
                self.responses.append(mine.pk)
                if dice.random() < 0.8:
                    self._sign(mine.pk)
                if dice.random() < 0.6:
                    self._let_it_leave(mine, dice)

    @move(3)
    def take_down(self, dice: Random) -> None:
        with suppress(Stale, Refused):
            pk = self._one_that_stands(dice)
            over, why = self._seen(pk, dice), "It is wrong."
            take_down(self._response(pk), why=why, over=over, by=self.cast.lead)

    def _seen(self, pk: int, dice: Random) -> int:
        """Return the id of the version that the author saw on the page.

        This is usually the newest version, and sometimes the first one.
        """
        return newest(self._response(pk)).pk if dice.random() < 0.9 else pk

    @move(1)
    def pause_one(self, dice: Random) -> None:
        account = Account.objects.filter(pk=dice.choice(self.cast.accounts).pk)
        account.update(paused_at=self.now if dice.random() < 0.4 else None)

    @move(2)
    def pause_all(self, dice: Random) -> None:
        if dice.random() < 0.3:
            Pause.objects.begin(by=self.cast.supervisor, why="A fire.", now=self.now)
        else:
            Pause.objects.end(by=self.cast.supervisor, now=self.now)

    @move(1)
    def limit(self, dice: Random) -> None:
        account = Account.objects.get(pk=dice.choice(self.cast.accounts).pk)
        account.config = account.config | {"per_hour": dice.choice([None, None, 1, 2])}
        account.save(update_fields=["config"])

    @move(6)
    def deal_with_it(self, dice: Random) -> None:
        verb = dice.choice(["send_again", "send_again", "dismiss", "send_late"])
        with suppress(Stale, Refused):
            getattr(check_sending, verb)(self._to_check(dice), by=self.cast.agent)

    @move(2)
    def somebody_saw_it_there(self, dice: Random) -> None:
        delivery = self._to_check(dice)
        with suppress(Stale, Refused):
            outbox.confirm_sent(delivery, by=self.cast.agent)
            self.by_hand.add(delivery.pk)

    def _to_check(self, dice: Random) -> Delivery:
        """Return a delivery that waits for a user's decision, or sometimes any other delivery."""
        listed = list(Delivery.objects.to_check(self.now).order_by("pk"))
        return dice.choice(listed) if listed and dice.random() < 0.8 else self._one(dice)

    def _case(self) -> Case:
        """Return the case that has the complaint now."""
        link = CaseConversation.objects.select_related("case")
        return link.get(conversation=self.cast.conversation, ended_at=None).case

    @move(3)
    def two_cases_are_merged(self, dice: Random) -> None:
        """Merge the case with another case of the same person, in one or the other direction."""
        case = self._case()
        other = Case.objects.create(profile=case.profile, department=case.department)
        other.log(CaseEvent.Kind.ROUTED, by=None, now=self.now)
        pair = (case, other) if dice.random() < 0.5 else (other, case)
        with suppress(Stale):
            self.moved.append(merge(*pair, by=self.cast.agent, now=self.now))

    @move(2)
    def the_complaint_is_split_off(self, _dice: Random) -> None:
        """Let the person write once more, and split the complaint off from that."""
        case = self._case()
        complaint = Interaction.objects.filter(conversation=self.cast.conversation, direction="in")
        first = complaint.order_by("pk")[0]
        again = Entry(
            first.scope, uuid.uuid4().hex, Author(first.scope, case.profile.key), "sandbox",
            "message", "private", "Hello?", occurred_at=self.now,
        )  # fmt: skip
        row = record([again], now=self.now)[0]
        join_message(case, Interaction.objects.get(pk=row.interaction), now=self.now, why="")
        with suppress(Stale):
            split_off_conversation(case, first.conversation, by=self.cast.agent, now=self.now)
            self.moved.append(case.events.filter(data__has_key="split").latest("pk"))

    @move(2)
    def a_merge_or_split_is_undone(self, dice: Random) -> None:
        if self.moved:
            event = self.moved.pop(dice.randrange(len(self.moved)))
            with suppress(Stale):
                undo = undo_merge if "merge" in event.data else undo_split
                undo(event, by=self.cast.agent, now=self.now)

    # Actions of the workers

    @move(10)
    def a_worker_tries(self, dice: Random) -> None:
        """Let a worker try to send one delivery, at its time or too early.

        The worker may die while it sends.
        """
        delivery = self._one(dice)
        if delivery.send_after and dice.random() < 0.8:
            self.now = max(self.now, delivery.send_after)
        with dying(self._death(dice)):
            self._try(delivery, dice)

    def _try(self, delivery: Delivery, dice: Random) -> None:
        self.network.mood = dice.choice(MOODS)
        outbox.deliver(delivery)
        self.network.mood = "well"

    def _death(self, dice: Random) -> tuple[tuple[Any, str], str] | None:
        at = dice.choice(STEPS), dice.choice(["before", "after"])
        return at if dice.random() < 0.3 else None

    @move(6)
    def tick(self, dice: Random) -> None:
        self._tick(lambda: dice.choice(MOODS), self._death(dice))

    def _tick(self, mood: Callable[[], str], death: Any) -> None:
        Delivery.objects.give_up_on_the_dead(self.now)
        throttle.hold_back(self.now)
        for verb, found in (
            (outbox.settle, Delivery.objects.to_settle(self.now)),
            (outbox.deliver, Delivery.objects.due(self.now)),
        ):
            for delivery in found:
                self.network.mood = mood()
                with dying(death):
                    verb(delivery)
        self.network.mood = "well"

    @move(3)
    def a_worker_falls_asleep(self, dice: Random) -> None:
        """Stop a worker after the network has answered and before the result is recorded.

        A later event lets the worker go on.
        """
        kept: list[Any] = [None]
        delivery = self._one(dice)
        with (
            patch.object(outbox, "mark_sent", lambda _, receipt, now: kept.append(receipt)),
            patch.object(outbox, "_failed", lambda _, error: kept.append(error)),
        ):
            self._try(delivery, dice)
        if kept[-1]:
            self.asleep.append((delivery, kept[-1]))

    @move(3)
    def it_wakes_up(self, _dice: Random) -> None:
        if self.asleep:
            delivery, answer = self.asleep.pop()
            if isinstance(answer, Receipt):
                outbox.mark_sent(delivery, answer, now=self.now)
            else:
                outbox._failed(delivery, answer)

    @move(4)
    def it_sleeps_until_all_is_settled_without_it(self, dice: Random) -> None:
        self.a_worker_falls_asleep(dice)
        for _turn in range(dice.choice([1, 2, 3])):
            self.now += timedelta(seconds=130)
            self._tick(lambda: "well", None)
            if dice.random() < 0.5:
                self.somebody_saw_it_there(dice)
        self.it_wakes_up(dice)

    @move(4)
    def time_passes(self, dice: Random) -> None:
        self.now += timedelta(seconds=dice.choice([1, 11, 11, 60, 130, 130, 620, 960]))

    @move(2)
    def what_was_slow_arrives(self, _dice: Random) -> None:
        self.network.what_was_slow_arrives()

    @move(1)
    def it_comes_back(self, dice: Random) -> None:
        self._one(dice).come_back("Nobody of that name is here.")

    @move(3)
    def our_own_post_is_heard(self, dice: Random) -> None:
        if self.network.arrived:
            said = self.network.arrived[dice.choice(list(self.network.arrived))]
            delivery = Delivery.objects.get(uuid=said.nonce)
            outbox.heard_ourselves([(self._item(said), delivery.account_id)], now=self.now)

    # Conditions that must hold at any time

    def watch(self, asked: Outgoing | Receipt) -> None:
        """Check a call at the moment when it arrives on the network.

        If the call breaks a condition, the error is stored and raised later. The sender would treat
        an exception at this place as an error of the network.
        """
        try:
            self.may_leave(asked)
        except AssertionError as breach:
            self.breaches.append(breach)

    def may_leave(self, asked: Outgoing | Receipt) -> None:
        delivery = self._leaving(asked)
        response = delivery.response
        assert response.state == "released"
        assert response.pk not in self.taken_back
        assert delivery.account.paused_at is None
        assert not Pause.objects.filter(ended_at=None).exists()
        assert delivery.send_after is not None
        assert delivery.send_after <= self.now
        self._keeps_the_order(delivery)
        if isinstance(asked, Outgoing):
            assert asked.text == response.text
            self._is_signed(response)
            self._is_within_the_limit(delivery.account)
        self.calls[delivery.account_id].append(self.now)

    def _leaving(self, asked: Outgoing | Receipt) -> Delivery:
        rows = Delivery.objects.select_related("response", "account", "amends")
        if isinstance(asked, Outgoing):
            return rows.get(uuid=asked.nonce)
        return rows.get(state="sending", act="withdraw", amends__sent_key=asked.key)

    def _keeps_the_order(self, mine: Delivery) -> None:
        """Check that a delivery is sent in the right order with the changes of the same post.

        A post must not be published again after a change, and an earlier change must not overwrite
        a later one.
        """
        if not mine.amends:
            assert not Delivery.objects.filter(amends__response=mine.response, state="sent")
            return
        others = Delivery.objects.filter(amends=mine.amends).exclude(pk=mine.pk)
        assert not others.filter(state="sending", lease_until__gte=self.now).exists()
        if mine.act == "amend":
            assert not others.filter(state="sent", act="withdraw").exists()
            assert not others.filter(state="sent", response__gt=mine.response_id).exists()

    def _is_signed(self, response: Response) -> None:
        needed = ("refund" in response.text) + ("lawyer" in response.text)
        signed = self._signers(response)
        assert len(signed) >= needed
        assert response.author_id not in signed

    def _signers(self, response: Response) -> set[int]:
        """Return the ids of the users whose approval of a response is valid.

        An approval is valid if it is for the current content and the current recipients. Sending
        the response back makes earlier approvals void.
        """
        first = response.deliveries.filter(replaces=None).exclude(act="withdraw")
        places = list(first.values_list("account_id", "destination"))
        how = (response.audience, response.visibility)
        said = content_hash(response.text, response.subject, *how, places, response.versions)
        signed: set[int] = set()
        for each in response.approvals.order_by("pk"):
            signed = signed | {each.by_id} if each.approved and each.content_hash == said else set()
        return signed

    def _is_within_the_limit(self, account: Account) -> None:
        most = account.config.get("per_hour")
        lately = [at for at in self.calls[account.pk] if at > self.now - timedelta(hours=1)]
        assert most is None or len(lately) < most

    @invariant()
    def nothing_leaves_that_may_not(self) -> None:
        if self.breaches:
            raise self.breaches[0]

    @invariant()
    def locks_are_taken_in_one_order(self) -> None:
        assert not self.locks.violations, self.locks.violations[0]

    @invariant()
    def at_most_one_arrives(self) -> None:
        assert all(number == 1 for number in self.network.arrivals.values())

    @invariant()
    def what_arrived_is_sent_or_unknown(self) -> None:
        for delivery in Delivery.objects.filter(uuid__in=self.network.arrived):
            alive = delivery.state == "sending" and delivery.lease_until is not None
            assert alive or delivery.state in {"sent", "bounced", "unknown"}, delivery.state

    @invariant()
    def what_is_sent_arrived_and_is_in_the_ledger(self) -> None:
        left = Delivery.objects.filter(state__in=["sent", "bounced"])
        for delivery in left.filter(act="say").exclude(pk__in=self.by_hand):
            assert str(delivery.uuid) in self.network.arrived
        assert Interaction.objects.filter(direction="out").count() == left.count()

    @invariant()
    def one_click_is_one_response(self) -> None:
        assert set(Response.objects.values_list("uuid", flat=True)) == self.forms

    @invariant()
    def nothing_is_silently_lost(self) -> None:
        """Check that no delivery of a released response was forgotten.

        Each such delivery is sent, is being sent, waits for its time, is listed as a delivery
        problem, or was cancelled with a reason.
        """
        lists = Delivery.objects.to_check(self.now).values_list("pk", flat=True)
        released = Delivery.objects.filter(response__state="released", settled_at=None)
        for each in released.exclude(pk__in=lists):
            on_its_way = each.state == "sending" and each.lease_until
            waits = each.state == "queued" and each.send_after
            given_up = each.state == "cancelled" and each.error
            assert each.state == "sent" or on_its_way or waits or given_up, each.state

    def teardown(self) -> None:
        """End all simulated faults, send all due deliveries, and check that nothing is missing.

        The record check must find no gap.
        """
        try:
            self._recover()
        finally:
            transaction.set_rollback(True)
            self.stack.close()

    def _recover(self) -> None:
        Account.objects.update(paused_at=None, config={})
        Pause.objects.end(by=self.cast.supervisor, now=self.now)
        self.network.what_was_slow_arrives()
        for _ in range(8):
            self.now += timedelta(seconds=700)
            self._tick(lambda: "well", None)
            self.at_most_one_arrives()
        left = Delivery.objects.filter(response__state="released", settled_at=None)
        left = left.exclude(pk__in=Delivery.objects.to_check(self.now).values("pk"))
        assert set(left.values_list("state", flat=True)) <= {"sent", "cancelled"}
        self._what_stands_there_is_what_the_record_says()
        run.check_record(RecordCheck.objects.create())
        told = Gap.objects.open().exclude(check_key="mention")  # no mention is imported here
        assert [gap.words for gap in told] == []

    def _what_stands_there_is_what_the_record_says(self) -> None:
        for key in self.network.stands:
            post = Delivery.objects.filter(sent_key=key).exclude(pk__in=self.by_hand).first()
            changes = list(post.changes.order_by("response_id")) if post else []
            known = [each for each in changes if each.state == "sent"]
            doubtful = [each for each in changes if each.state in {"failed", "unknown"}]
            if not known or doubtful or self.by_hand & {each.pk for each in known}:
                continue
            gone = any(each.act == "withdraw" for each in known)
            assert self.network.stands[key] == (None if gone else known[-1].response.text)

    def _response(self, pk: int) -> Response:
        return Response.objects.get(pk=pk)

    def _some(self, dice: Random) -> int:
        """Return the id of a random response. The newest three are chosen more often."""
        if not self.responses:
            self._click("We are sorry.", wide=True, later=False)
        return dice.choice(self.responses[-3:] if dice.random() < 0.6 else self.responses)

    def _one_that_stands(self, dice: Random) -> int:
        """Return the id of a published statement, or sometimes of any response.

        If there is no published statement, the result is always the id of any response.
        """
        sent = Delivery.objects.filter(state="sent", act="say", response__audience="many")
        there = list(sent.order_by("pk").values_list("response", flat=True))
        return dice.choice(there) if there and dice.random() < 0.9 else self._some(dice)

    def _one(self, dice: Random) -> Delivery:
        """Return a random delivery. Queued deliveries are chosen more often.

        The delivery is read from the database, as a worker does.
        """
        waiting = Delivery.objects.filter(state="queued", response__state="released")
        any_of_it = self._response(self._some(dice)).deliveries.all()
        rows = waiting if waiting and dice.random() < 0.6 else any_of_it
        return dice.choice(list(rows.select_related("account").order_by("pk")))

    def _item(self, said: Outgoing) -> Item:
        return Item(
            scope=self.network.scope,
            key=f"post-{said.nonce}",
            author=Author(network=self.network.scope, key="us"),
            text=said.text,
            in_reply_to=said.in_reply_to,
            visibility=said.visibility,
        )
