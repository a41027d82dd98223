"""Eight users and workers change the same cases at the same moment: no deadlock, nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest
from django.db import transaction

from crm.models import Department, Interaction, User
from routing.answering import count_as_answered
from routing.case_page import interactions_of
from routing.merging import merge, undo_merge
from routing.models import Case, CaseConversation, CaseEvent
from routing.models.status import Stale
from routing.splitting import split_off_item, undo_split
from tests.routing.hearing import DAY, NOW, contact, hear
from tests.together import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ACTORS, TURNS = 8, 8


def act(dice: Random, user: User, turn: int) -> str:
    """Do one random thing with a random case, and return what was done; "" if nothing was."""
    # At the same moment, others merge some of them.
    cases = list(Case.objects.filter(merged_into=None).order_by("pk"))
    case, other = dice.choice(cases), dice.choice(cases)
    what = dice.choice(["merge", "merge", "split", "write", "claim", "note", "undo", "undo"])
    if what == "merge":
        merge(case, other, by=user)
    elif what == "split":
        items = Interaction.objects.filter(conversation__in=case.conversations, direction="in")
        item = items.order_by("?").first()
        if item is None:
            return ""
        split_off_item(case, item, by=user)
    elif what == "write":
        now = NOW + turn * timedelta(minutes=1)
        with transaction.atomic():
            hear("anna-tweets", "Hello", thread=f"anna {dice.randrange(4)}", now=now)
    elif what == "claim":
        case.claim(by=user, seen=case.assignee_id)
    elif what == "note":
        case.note("Look.", by=user)
    elif not undo_one(dice, user):
        return ""
    return what


def undo_one(dice: Random, user: User) -> bool:
    kinds = [CaseEvent.Kind.MERGED, CaseEvent.Kind.SPLIT]
    events = [
        event
        for event in CaseEvent.objects.filter(kind__in=kinds, undone_by=None)
        if {"merge", "split"} & event.data.keys()
    ]
    if events:
        event = dice.choice(events)
        (undo_merge if "merge" in event.data else undo_split)(event, by=user)
    return bool(events)


def test_eight_actors_merge_split_undo_and_write_without_a_deadlock(
    service: Department, admin: User
) -> None:
    """Fails with a deadlock if merging locks its two cases in the order of the arguments, or if it
    locks cases before the ledger.
    """
    contact("anna-tweets", "anna-mails")
    with transaction.atomic():
        for number in range(4):
            now = NOW + number * DAY
            case = hear("anna-tweets", "Hello", thread=f"anna {number}", now=now)
            # Otherwise the next message would join this case.
            count_as_answered(case, at=now, seen=case.last_inbound_id, answered_by=None)
    assert Case.objects.count() == 4

    def play(seed: int) -> Callable[[], list[str]]:
        def run() -> list[str]:
            dice, done = Random(seed), []
            for turn in range(TURNS):
                with suppress(Stale):
                    done.append(act(dice, User.objects.get(pk=admin.pk), seed * TURNS + turn))
            return done

        return run

    played = at_once(*(play(seed) for seed in range(ACTORS)))
    done = Counter(each for acts in played for each in acts)
    assert min(done["merge"], done["split"], done["undo"]) > 0, done
    shown = [
        pk
        for case in Case.objects.all()
        for pk in interactions_of(case).values_list("pk", flat=True)
    ]
    assert sorted(shown) == sorted(Interaction.objects.values_list("pk", flat=True))
    merged = Case.objects.exclude(merged_into=None)
    assert not CaseConversation.objects.filter(case__in=merged, ended_at=None).exists()
    assert not merged.exclude(merged_into__merged_into=None).exists()


def test_two_opposite_merges_at_once_end_in_one_case(service: Department, admin: User) -> None:
    """Two users merge two cases in opposite directions at once: one of them is refused in words."""
    contact("anna-tweets", "anna-mails")
    with transaction.atomic():
        first = hear("anna-tweets", thread="one")
        count_as_answered(first, at=NOW, seen=first.last_inbound_id, answered_by=None)
        second = hear("anna-mails", thread="two", now=NOW + 9 * DAY)
    assert first != second

    def attempt(source: Case, target: Case) -> Callable[[], str]:
        def run() -> str:
            try:
                merge(source, target, by=admin)
            except Stale as stale:
                return str(stale)
            return ""

        return run

    said = at_once(attempt(first, second), attempt(second, first))
    assert sorted(map(bool, said)) == [False, True]
    assert "was already merged into" in max(said)
    assert Case.objects.filter(merged_into=None).count() == 1
