"""G1 as a machine that plays every order of clicks, crashes and late answers that it can find.

A response leaves at most once, never without the signatures that it needs, never after it was
taken back; and none is silently lost. The network is a fake with a memory of its own, so that
what arrived is known whatever scrm believes.

Seen to fail with `Delivery.claim` and `due` blind to the state (it arrived twice), and with
`_failed` taking what may have arrived for what surely has not (it was queued again).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from crm.models import Account, Interaction, User
from responses import outbox, proof
from responses.compose import Words, places_for, reply, state_publicly
from responses.models import Delivery, Hole, Proof, Response, ResponseRule
from responses.models.response import Refused
from responses.rules import content_hash
from routing.models import Case, Department
from routing.models.status import Stale
from scrm.channels.base import ChannelError, Credentials, Item, Lookup, Outgoing, Receipt

pytestmark = pytest.mark.django_db


class Crash(BaseException):
    """The process is gone: nothing after this line runs."""


@dataclass
class Network:
    """What really arrived, and how the next calls go."""

    kind: str
    scope: str
    arrived: dict[str, Outgoing] = field(default_factory=dict)
    arrivals: Counter[str] = field(default_factory=Counter)
    under_way: dict[str, Outgoing] = field(default_factory=dict)
    mood: str = "well"
    check: Callable[[Outgoing], None] = lambda _: None

    def idempotence(self, _credentials: Credentials) -> str:
        return self.kind

    def send(self, _credentials: Credentials, outgoing: Outgoing) -> Receipt:
        mood, self.mood = self.mood, "well"
        if mood == "down":
            raise ChannelError("Down.", retry_after=3)
        if mood == "refuses":
            raise ChannelError("No.", permanent=True)
        if mood == "broken":
            raise ZeroDivisionError
        self.check(outgoing)
        if mood == "slow":
            self.under_way[outgoing.nonce] = outgoing
            raise ChannelError("It took too long.", uncertain=True)
        self.arrive(outgoing)
        if mood == "answer lost":
            raise ChannelError("No answer.", uncertain=True)
        return self.receipt(outgoing)

    def arrive(self, outgoing: Outgoing) -> None:
        """A network that goes by the key takes the same text once."""
        if self.kind != "key" or outgoing.nonce not in self.arrived:
            self.arrivals[outgoing.nonce] += 1
        self.arrived[outgoing.nonce] = outgoing

    def find(self, _credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        mood, self.mood = self.mood, "well"
        if mood != "well":
            raise ChannelError("Down.")
        if self.kind == "none" or outgoing.nonce in self.under_way:
            return Lookup.CANNOT_TELL
        known = self.arrived.get(outgoing.nonce)
        return self.receipt(known) if known else Lookup.ABSENT

    def receipt(self, outgoing: Outgoing) -> Receipt:
        return Receipt(self.scope, f"post-{outgoing.nonce}")


@dataclass(frozen=True)
class Cast:
    case: Case
    accounts: list[Account]
    department: Department
    agent: User
    lead: User
    supervisor: User


STEPS: list[tuple[Any, str]] = [
    (Delivery, "claim"),
    (Network, "send"),
    (Network, "find"),
    (outbox, "mark_sent"),
    (outbox, "record"),
    (outbox, "adopt"),
]
moods = st.sampled_from(["well", "well", "answer lost", "slow", "down", "refuses", "broken"])
steps = st.none() | st.tuples(st.sampled_from(STEPS), st.sampled_from(["before", "after"]))
texts = st.sampled_from(["We are sorry.", "Here is a refund.", "A refund, and a lawyer."])
"""The second is held for a team lead, the third for a supervisor as well."""


@contextmanager
def dying(at: tuple[tuple[Any, str], str] | None) -> Iterator[None]:
    """The worker dies before or after this step, if it comes to it."""
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
    cast: ClassVar[Cast]
    kind: ClassVar[str]

    responses = Bundle("responses")
    asleep = Bundle("asleep")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.now = timezone.now()
        self.network = Network(self.kind, self.cast.accounts[0].network)
        self.network.check = self.may_leave
        self.forms: set[uuid.UUID] = set()
        self.taken_back: set[int] = set()
        self.by_hand: set[int] = set()
        self.undone = self.stack.enter_context(transaction.atomic())
        self.stack.enter_context(patch.object(outbox, "_speaker", lambda _: self.network))
        self.stack.enter_context(patch.object(timezone, "now", lambda: self.now))

    # What staff do

    @rule(target=responses, text=texts, wide=st.booleans(), later=st.booleans())
    def click_send(self, text: str, wide: bool, later: bool) -> int:
        form = uuid.uuid4()
        self.forms.add(form)
        first, second = (self._write(form, text, wide, later) for _click in range(2))
        assert first.pk == second.pk
        return first.pk

    def _write(self, form: uuid.UUID, text: str, wide: bool, later: bool) -> Response:
        case = Case.objects.get(pk=self.cast.case.pk)
        at = self.now + timedelta(minutes=9) if later else None
        words = Words(form, text, "public", seen=case.last_inbound_id, send_at=at)
        if not wide:
            return reply(case, words, place=places_for(case)[0], by=self.cast.agent)
        accounts, department = self.cast.accounts, self.cast.department
        return state_publicly(
            words, accounts=accounts, by=self.cast.agent, department=department, case=case
        )

    @rule(pk=responses, who=st.sampled_from(["agent", "lead", "supervisor"]))
    def approve(self, pk: int, who: str) -> None:
        with suppress(Stale, Refused):
            self._response(pk).approve(by=getattr(self.cast, who))

    @rule(pk=responses)
    def send_back(self, pk: int) -> None:
        with suppress(Stale):
            self._response(pk).send_back(by=self.cast.lead, why="No.")

    @rule(pk=responses, text=texts, then_send=st.booleans())
    def edit(self, pk: int, text: str, then_send: bool) -> None:
        with suppress(Stale, Refused):
            self._response(pk).edit(text=text, by=self.cast.agent)
            if then_send:
                self._response(pk).send(by=self.cast.agent)

    @rule(pk=responses)
    def the_words_change_after_the_first_signature(self, pk: int) -> None:
        self.approve(pk, "lead")
        self.edit(pk, "A refund, and a lawyer, truly.", then_send=True)
        self.approve(pk, "supervisor")

    @rule(pk=responses)
    def cancel(self, pk: int) -> None:
        with suppress(Stale):
            self._response(pk).cancel(by=self.cast.agent)
            self.taken_back.add(pk)
            said = {str(each.uuid) for each in self._response(pk).deliveries.all()}
            assert not said & (self.network.arrived.keys() | self.network.under_way.keys())

    @rule(paused=st.sampled_from([False, False, True]), which=st.integers(0, 1))
    def pause(self, paused: bool, which: int) -> None:
        mine = Account.objects.filter(pk=self.cast.accounts[which].pk)
        mine.update(paused_at=self.now if paused else None)

    @rule(data=st.data(), verb=st.sampled_from(["send_again", "put_away", "send_late", "seen"]))
    def deal_with_it(self, data: st.DataObject, verb: str) -> None:
        delivery = self._one(data)
        with suppress(Stale, Refused):
            if verb == "seen":
                outbox.confirm_sent(delivery, by=self.cast.agent)
                self.by_hand.add(delivery.pk)
            else:
                getattr(delivery, verb)(by=self.cast.agent)

    # What the machine does

    @rule(data=st.data(), mood=moods, at=steps, early=st.sampled_from([False, False, True]))
    def a_worker_tries(self, data: st.DataObject, mood: str, at: Any, early: bool) -> None:
        """Nudged twice, in time or too early; it may die on the way."""
        self.network.mood = mood
        delivery = self._one(data)
        if delivery.send_after and not early:
            self.now = max(self.now, delivery.send_after)
        with dying(at):
            outbox.deliver(delivery)
        self.network.mood = "well"

    @rule(mood=moods, at=steps)
    def tick(self, mood: str, at: Any) -> None:
        Delivery.objects.give_up_on_the_dead(self.now)
        for delivery in Delivery.objects.to_settle(self.now):
            self.network.mood = mood
            with dying(at):
                outbox.settle(delivery)
        self.network.mood = "well"
        for delivery in Delivery.objects.due(self.now):
            outbox.deliver(delivery)

    @rule(target=asleep, data=st.data(), mood=moods)
    def a_worker_falls_asleep(self, data: st.DataObject, mood: str) -> tuple[Delivery, Any]:
        """Between the network's answer and writing it down."""
        kept: list[Any] = [None]
        delivery = self._one(data)
        self.network.mood = mood
        with (
            patch.object(outbox, "mark_sent", lambda _, receipt, now: kept.append(receipt)),
            patch.object(outbox, "_failed", lambda _, error: kept.append(error)),
        ):
            outbox.deliver(delivery)
        self.network.mood = "well"
        return delivery, kept[-1]

    @rule(sleeper=consumes(asleep))
    def it_wakes_up(self, sleeper: tuple[Delivery, Any]) -> None:
        delivery, answer = sleeper
        if isinstance(answer, Receipt):
            outbox.mark_sent(delivery, answer, now=self.now)
        elif answer:
            outbox._failed(delivery, answer)

    @rule(seconds=st.sampled_from([1, 11, 11, 60, 130, 130, 620, 960]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def what_was_slow_arrives(self) -> None:
        while self.network.under_way:
            self.network.arrive(self.network.under_way.popitem()[1])

    @rule(data=st.data())
    def our_own_post_is_heard(self, data: st.DataObject) -> None:
        if self.network.arrived:
            said = self.network.arrived[data.draw(st.sampled_from(sorted(self.network.arrived)))]
            accounts = [account.pk for account in self.cast.accounts]
            outbox.heard_ourselves([self._item(said)], accounts=accounts, now=self.now)

    # What must never be otherwise

    def may_leave(self, outgoing: Outgoing) -> None:
        """Asked by the network at the very moment at which the text comes to it."""
        delivery = Delivery.objects.select_related("response", "account").get(uuid=outgoing.nonce)
        response = delivery.response
        assert response.state == "released"
        assert outgoing.text == response.text
        assert response.pk not in self.taken_back
        assert delivery.account.paused_at is None
        assert delivery.send_after is not None
        assert delivery.send_after <= self.now
        needed = ("refund" in response.text) + ("lawyer" in response.text)
        signed = self._signers(response)
        assert len(signed) >= needed
        assert response.author_id not in signed

    def _signers(self, response: Response) -> set[int]:
        """Who signed these words to these places since it was last sent back."""
        first = response.deliveries.filter(replaces=None)
        places = list(first.values_list("account_id", "destination"))
        how = (response.audience, response.visibility)
        said = content_hash(response.text, response.subject, *how, places, response.versions)
        signed: set[int] = set()
        for each in response.approvals.order_by("pk"):
            signed = signed | {each.by_id} if each.approved and each.content_hash == said else set()
        return signed

    @invariant()
    def at_most_one_arrives(self) -> None:
        assert all(number == 1 for number in self.network.arrivals.values())

    @invariant()
    def what_arrived_is_sent_or_unknown(self) -> None:
        for delivery in Delivery.objects.filter(uuid__in=self.network.arrived):
            alive = delivery.state == "sending" and delivery.lease_until is not None
            assert alive or delivery.state in {"sent", "unknown"}, delivery.state

    @invariant()
    def what_is_sent_arrived_and_is_in_the_ledger(self) -> None:
        sent = Delivery.objects.filter(state="sent").exclude(pk__in=self.by_hand)
        for delivery in sent:
            assert str(delivery.uuid) in self.network.arrived
        rows = Interaction.objects.filter(direction="out").count()
        assert rows == Delivery.objects.filter(state="sent").count()

    @invariant()
    def one_click_is_one_response(self) -> None:
        assert set(Response.objects.values_list("uuid", flat=True)) == self.forms

    @invariant()
    def nothing_is_silently_lost(self) -> None:
        """What was let go is sent, is on its way, waits its turn, or is on somebody's list."""
        lists = Delivery.objects.to_check(self.now).values_list("pk", flat=True)
        released = Delivery.objects.filter(response__state="released", settled_at=None)
        for each in released.select_related("account").exclude(pk__in=lists):
            on_its_way = each.state == "sending" and each.lease_until
            waits = each.state == "queued" and each.send_after
            assert each.state == "sent" or on_its_way or waits, each.state

    def teardown(self) -> None:
        """The world is well again: all that may leave leaves, and the record is whole."""
        try:
            self._recover()
        finally:
            transaction.set_rollback(True)
            self.stack.close()

    def _recover(self) -> None:
        Account.objects.update(paused_at=None)
        self.what_was_slow_arrives()
        for _ in range(8):
            self.now += timedelta(seconds=700)
            self.tick(mood="well", at=None)
            self.at_most_one_arrives()
        left = Delivery.objects.filter(response__state="released", settled_at=None)
        lists = Delivery.objects.to_check(self.now).values_list("pk", flat=True)
        assert set(left.exclude(pk__in=lists).values_list("state", flat=True)) <= {"sent"}
        mine = Proof.objects.create()
        proof.prove(mine)
        told = Hole.objects.open().exclude(check_key="mention")  # of a test that hears nothing
        assert [hole.words for hole in told] == []

    def _response(self, pk: int) -> Response:
        return Response.objects.get(pk=pk)

    def _one(self, data: st.DataObject) -> Delivery:
        """Any sending at all; a fresh row, as a worker loads it."""
        keys = list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
        pk = data.draw(st.sampled_from(keys)) if keys else self._a_first_one()
        return Delivery.objects.select_related("account").get(pk=pk)

    def _a_first_one(self) -> int:
        self.click_send("We are sorry.", wide=False, later=False)
        return Delivery.objects.get().pk

    def _item(self, said: Outgoing) -> Item:
        delivery = Delivery.objects.select_related("account").get(uuid=said.nonce)
        from_us = {"network": self.network.scope, "key": delivery.account.self_key}
        return Item(
            scope=self.network.scope,
            key=f"post-{said.nonce}",
            author=outbox.Author(**from_us),
            text=said.text,
            in_reply_to=said.in_reply_to,
            visibility=said.visibility,
        )


@pytest.fixture
def cast(
    complaint: Case,
    microblog: Account,
    service: Department,
    make_rule: Callable[..., ResponseRule],
    agent: User,
    lead: User,
    supervisor: User,
    admin: User,
) -> Cast:
    make_rule("refund")
    make_rule("lawyer", steps="lead supervisor")
    second = Account.objects.create(
        kind="sandbox", network=microblog.network, self_key="two", name="Two", owner=admin
    )
    service.accounts.add(second)
    return Cast(complaint, [microblog, second], service, agent, lead, supervisor)


@pytest.mark.parametrize("kind", ["key", "lookup", "none"])
def test_whatever_happens_in_whatever_order_it_leaves_at_most_once(cast: Cast, kind: str) -> None:
    machine = type("OnceFor", (Once,), {"cast": cast, "kind": kind})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert machine.kind == kind
