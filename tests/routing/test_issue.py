from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from crm.models import User
from routing.models import Case, Department, Issue

As = Callable[[User], Client]
Make = Callable[..., Case]


@pytest.fixture
def seats(agent: User) -> Issue:
    return Issue.objects.create(name="Seat policy", owner=agent)


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def test_an_issue_is_opened_by_hand(as_: As, agent: User) -> None:
    as_(agent).post("/issues/new/", {"name": "Seat policy", "about": "", "owner": agent.pk})
    assert Issue.objects.get().owner == agent


def test_an_issue_needs_a_name_and_keeps_the_rest(as_: As, agent: User) -> None:
    page = as_(agent).post("/issues/new/", {"name": "", "about": "Seats", "owner": agent.pk})
    assert page.status_code == 422
    assert "Seats</textarea>" in html(page)


def test_cases_are_added_by_their_numbers_and_people_counted(
    as_: As, agent: User, seats: Issue, make_case: Make
) -> None:
    first, second = make_case(by="ron"), make_case(by="rita")
    client = as_(agent)
    client.post(f"/issues/{seats.pk}/add/", {"numbers": f"#{first.pk}, {second.pk}"})
    assert set(seats.cases.all()) == {first, second}
    assert "2 people" in html(client.get("/issues/"))


def test_cases_that_are_not_theirs_are_refused_by_number_and_none_is_added(
    as_: As, agent: User, sales: Department, seats: Issue, make_case: Make
) -> None:
    mine, other = make_case(by="ron"), make_case(by="rita", department=sales)
    numbers = f"{mine.pk} {other.pk}"
    page = as_(agent).post(f"/issues/{seats.pk}/add/", {"numbers": numbers})
    assert page.status_code == 422
    assert f"There are no such cases in your departments: #{other.pk}." in html(page)
    assert f'value="{numbers}"' in html(page)
    assert not seats.cases.exists()


@pytest.mark.parametrize("numbers", ["", "twelve", "1;²", "9" * 30])
def test_odd_numbers_are_refused_in_words(as_: As, agent: User, seats: Issue, numbers: str) -> None:
    page = as_(agent).post(f"/issues/{seats.pk}/add/", {"numbers": numbers})
    assert page.status_code == 422


def test_a_case_is_taken_out(as_: As, agent: User, seats: Issue, case: Case) -> None:
    case.group(seats, by=agent)
    as_(agent).post(f"/issues/{seats.pk}/remove/", {"case": case.pk})
    assert not seats.cases.exists()


def test_a_reader_takes_no_case_out(
    as_: As, agent: User, reader: User, seats: Issue, case: Case
) -> None:
    case.group(seats, by=agent)
    page = as_(reader).post(f"/issues/{seats.pk}/remove/", {"case": case.pk})
    assert page.status_code == 404
    assert seats.cases.exists()


def test_cases_of_other_departments_are_counted_but_not_named(
    as_: As, agent: User, outsider: User, seats: Issue, case: Case
) -> None:
    case.group(seats, by=agent)
    page = html(as_(outsider).get(f"/issues/{seats.pk}/"))
    assert "Roncalder" not in page
    assert "1 more case is with a department that is not yours." in page


def test_its_owner_closes_and_opens_it(as_: As, agent: User, seats: Issue) -> None:
    client = as_(agent)
    client.post(f"/issues/{seats.pk}/close/", {"close": "1"})
    seats.refresh_from_db()
    assert seats.closed_at
    assert 'name="open"' in html(client.get(f"/issues/{seats.pk}/"))
    client.post(f"/issues/{seats.pk}/close/", {"open": "1"})
    seats.refresh_from_db()
    assert seats.closed_at is None
    assert 'name="close"' in html(client.get(f"/issues/{seats.pk}/"))


def test_a_second_click_on_close_changes_nothing(as_: As, agent: User, seats: Issue) -> None:
    """Seen to fail with a switch: the second click opened it again."""
    client = as_(agent)
    client.post(f"/issues/{seats.pk}/close/", {"close": "1"})
    seats.refresh_from_db()
    first = seats.closed_at
    client.post(f"/issues/{seats.pk}/close/", {"close": "1"})
    seats.refresh_from_db()
    assert seats.closed_at == first is not None


def test_others_cannot_close_it(as_: As, teammate: User, seats: Issue) -> None:
    assert as_(teammate).post(f"/issues/{seats.pk}/close/").status_code == 404
