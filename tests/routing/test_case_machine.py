"""Merges, splits, their undo and new items in any order: each item is in exactly one case."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, suppress
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from crm.models import Conversation, Department, Interaction, User
from routing.answering import count_as_answered
from routing.case_page import interactions_of
from routing.merging import merge, undo_merge
from routing.models import Case, CaseEvent
from routing.models.status import Stale
from routing.party import party
from routing.splitting import split_off_conversation, split_off_item, undo_split
from tests.lock_recorder import recorded_locks
from tests.routing.hearing import NOW, contact, hear

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PEOPLE = ["anna-tweets", "anna-mails", "ben"]
THREADS = ["one", "two", "three"]
ACTS = ["write", "merge", "split", "split_item", "undo", "undo at once"]


class Cases(RuleBasedStateMachine):
    """Each step is a number, the seed of a generator that chooses what happens."""

    happened: ClassVar[Counter[str]] = Counter()
    """How often each act succeeded in all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(transaction.atomic())
        self.locks = self.stack.enter_context(recorded_locks())
        self.now = NOW
        self.user = User.objects.get(email="ada@scrm.example")
        contact("anna-tweets", "anna-mails")

    @rule(seed=st.integers(0, 2**20))
    def something_happens(self, seed: int) -> None:
        dice = Random(seed)
        self.now += timedelta(minutes=dice.choice([1, 50, 600]))
        acts = [self.write, self.write, self.merge, self.split, self.split_item, self.undo]
        act = dice.choice(acts)
        with suppress(Stale), transaction.atomic():
            act(dice)
            self.happened[act.__name__] += 1

    def write(self, dice: Random) -> None:
        who = dice.choice(PEOPLE)
        case = hear(who, "Hello", thread=f"{who} {dice.choice(THREADS)}", now=self.now)
        if dice.random() < 0.7:  # the next message of another thread opens another case
            count_as_answered(case, at=self.now, seen=case.last_inbound_id, answered_by=None)

    def merge(self, dice: Random) -> None:
        source = self._case(dice)
        of_party = Case.objects.filter(profile__in=party(source), merged_into=None)
        target = self._one(of_party.exclude(pk=source.pk), dice)
        before = self._everything()
        event = merge(source, target, by=self.user, now=self.now)
        assert self._items(source) == set()
        if dice.random() < 0.4:
            undo_merge(event, by=self.user, now=self.now)
            assert self._everything() == before
            self.happened["undo at once"] += 1

    def split(self, dice: Random) -> None:
        case = self._case(dice)
        conversation = self._one(case.conversations, dice)
        before = self._everything()
        split_off_conversation(case, conversation, by=self.user, now=self.now)
        self._maybe_undo_split(case, before, dice)

    def split_item(self, dice: Random) -> None:
        case = self._case(dice)
        items = Interaction.objects.filter(conversation__in=case.conversations, direction="in")
        item = self._one(items, dice)
        before = self._everything()
        new = split_off_item(case, item, by=self.user, now=self.now)
        assert self._items(new) <= {row.pk for row in items} | {item.pk}
        self._maybe_undo_split(case, before, dice)

    def _maybe_undo_split(self, case: Case, before: dict[int, set[int]], dice: Random) -> None:
        if dice.random() < 0.4:
            event = case.events.filter(kind=CaseEvent.Kind.SPLIT, data__has_key="split")
            undo_split(event.latest("pk"), by=self.user, now=self.now)
            assert {pk: items for pk, items in self._everything().items() if items} == before
            self.happened["undo at once"] += 1

    def undo(self, dice: Random) -> None:
        kinds = [CaseEvent.Kind.MERGED, CaseEvent.Kind.SPLIT]
        events = [
            event
            for event in CaseEvent.objects.filter(kind__in=kinds).order_by("pk")
            if {"merge", "split"} & event.data.keys()
        ]
        if not events:
            raise Stale("Nothing was merged or split yet.")
        event = dice.choice(events)
        moved = {new for _old, new in (event.data.get("merge") or event.data["split"])["links"]}
        still = Conversation.objects.filter(
            case_links__in=moved, case_links__ended_at=None
        ).values_list("pk", flat=True)
        items = set(
            Interaction.objects.filter(conversation__in=list(still)).values_list("pk", flat=True)
        )
        if "merge" in event.data:
            back = undo_merge(event, by=self.user, now=self.now)
            assert self._items(back) == items
        else:
            back = undo_split(event, by=self.user, now=self.now)
            assert items <= self._items(back)

    def _case(self, dice: Random) -> Case:
        cases = list(Case.objects.order_by("pk"))
        if not cases:
            raise Stale("There is no case yet.")
        return dice.choice(cases)

    def _one(self, rows: Any, dice: Random) -> Any:
        found = list(rows.order_by("pk"))
        if not found:
            raise Stale("The case is empty.")
        return dice.choice(found)

    def _items(self, case: Case) -> set[int]:
        return set(interactions_of(Case.objects.get(pk=case.pk)).values_list("pk", flat=True))

    def _everything(self) -> dict[int, set[int]]:
        """Return {case id: ids of its items} for all cases that have items."""
        found = {case.pk: self._items(case) for case in Case.objects.all()}
        return {pk: items for pk, items in found.items() if items}

    @invariant()
    def each_item_is_in_exactly_one_case(self) -> None:
        shown = [pk for items in self._everything().values() for pk in items]
        assert sorted(shown) == sorted(Interaction.objects.values_list("pk", flat=True))

    @invariant()
    def a_merged_case_is_empty_and_leads_to_a_living_one(self) -> None:
        for case in Case.objects.exclude(merged_into=None).select_related("merged_into"):
            assert self._items(case) == set()
            assert case.merged_into
            assert case.merged_into.merged_into_id is None

    @invariant()
    def the_last_message_is_the_newest_one(self) -> None:
        for case in Case.objects.filter(merged_into=None):
            assert case.last_inbound_id == max(self._items(case), default=None)

    @invariant()
    def locks_are_taken_in_one_order(self) -> None:
        assert not self.locks.violations, self.locks.violations[0]

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.stack.close()


def test_each_item_is_in_exactly_one_case_whatever_is_merged_split_and_undone(
    service: Department, admin: User
) -> None:
    """Fails, for example, if a merge leaves the earlier items of a conversation in the old case."""
    User.objects.filter(pk=admin.pk).update(email="ada@scrm.example")
    Cases.happened.clear()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Cases,
        settings=settings(
            max_examples=25,
            stateful_step_count=16,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not Case.objects.exists()  # each run was rolled back
    # A machine in which everything is refused would find nothing.
    assert [name for name in ACTS if not Cases.happened[name]] == [], Cases.happened
