"""“Next case” gives a user the most urgent unassigned case.

Two users never get the same case.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Department, Membership, Profile, User
from routing.inbox.next_case import take_next
from routing.models import Case, CaseEvent
from tests.together import at_once

As = Callable[[User], Client]
Make = Callable[..., Case]
NOW = timezone.now()


def test_the_most_urgent_comes_first_then_the_oldest(agent: User, make_case: Make) -> None:
    late = make_case(by="ron", at=NOW - timedelta(hours=3))
    soon = make_case(by="rita", at=NOW - timedelta(hours=1))
    urgent = make_case(by="rob", priority="urgent", at=NOW)
    assert [take_next(agent) for _ in range(4)] == [urgent, late, soon, None]


def test_it_is_theirs_from_then_on_and_its_history_says_so(agent: User, case: Case) -> None:
    taken = take_next(agent)
    assert taken == case
    assert (taken.assignee, taken.status) == (agent, "open")
    assert case.events.filter(kind=CaseEvent.Kind.CLAIMED, by=agent).exists()


@pytest.mark.parametrize("status", ["waiting", "snoozed", "done", "noise"])
def test_what_rests_is_left_alone(agent: User, make_case: Make, status: str) -> None:
    make_case(status=status, done_at=NOW)
    assert take_next(agent) is None


def test_what_a_colleague_has_is_left_alone(agent: User, teammate: User, make_case: Make) -> None:
    make_case(assignee=teammate)
    assert take_next(agent) is None


def test_other_departments_cases_are_left_alone(outsider: User, reader: User, case: Case) -> None:
    """“Next case” gives no case to users of other departments and to read-only members.

    Fails if every membership counts, because a read-only member then gets a case.
    """
    assert take_next(outsider) is None
    assert take_next(reader) is None


def test_of_several_departments_the_most_urgent_of_all(
    agent: User, sales: Department, make_case: Make
) -> None:
    Membership.objects.create(user=agent, department=sales, role="agent")
    here = make_case(by="ron")
    there = make_case(by="rita", department=sales, priority="urgent")
    assert [take_next(agent) for _ in range(3)] == [there, here, None]


def test_who_works_nowhere_but_sees_everything_is_given_any(admin: User, case: Case) -> None:
    assert take_next(admin) == case


def test_the_button_opens_the_case(as_: As, agent: User, case: Case) -> None:
    assert as_(agent).post("/next/")["Location"] == f"/cases/{case.pk}/"


def test_the_button_is_for_those_who_work(as_: As, agent: User, reader: User) -> None:
    button = 'action="/next/"'
    assert button in as_(agent).get("/").content.decode()
    assert button not in as_(reader).get("/").content.decode()


def test_the_frame_marks_the_list_beside_an_open_case(as_: As, agent: User, case: Case) -> None:
    page = as_(agent).get(f"/cases/{case.pk}/?view=unassigned").content.decode()
    assert '<a href="/?view=unassigned" aria-current="page">' in page


def test_the_button_says_that_nothing_waits(as_: As, agent: User) -> None:
    page = as_(agent).post("/next/", follow=True)
    assert page.redirect_chain == [("/", 302)]
    assert "No unassigned cases." in page.content.decode()


def test_statements_do_not_grow_with_what_waits(agent: User, make_case: Make) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert take_next(agent)
        return len(asked)

    make_case(by="first")
    one = statements()
    for n in range(10):
        make_case(by=f"person{n}")
    assert statements() == one


@pytest.mark.django_db(transaction=True)
def test_fifty_people_at_once_never_get_the_same(service: Department) -> None:
    """Fifty users who press “Next case” at the same moment get fifty different cases.

    Fails without the lock, because two users then get the same case, and the second of them gets an
    error.
    """
    profiles = Profile.objects.bulk_create(
        Profile(network="sandbox.microblog", key=f"p{n}") for n in range(60)
    )
    Case.objects.bulk_create(
        Case(profile=each, department=service, last_inbound_at=NOW) for each in profiles
    )
    people = [User.objects.create_user(f"{n}@scrm.example") for n in range(50)]
    for person in people:
        Membership.objects.create(user=person, department=service, role="agent")

    def presses(person: User) -> Any:
        return lambda: take_next(person)

    taken = at_once(*(presses(person) for person in people))
    assert len({case.pk for case in taken if case}) == 50
    assert Case.objects.unclaimed().count() == 10
