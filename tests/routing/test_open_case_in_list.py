"""A case that is opened by its link is in the list beside it, and marked there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import User
from routing.models import Case
from routing.models.status import Status

As = Callable[[User], Client]


def row(page: str, case: Case) -> str:
    """Return the row of the case in the list; it must be there exactly once."""
    (found,) = re.findall(rf'<li id="row-{case.pk}".*?</li>', page, re.DOTALL)
    return found


@pytest.fixture
def page(agent: User, as_: As) -> Callable[[Case, str], str]:
    def page(case: Case, query: str = "") -> str:
        return as_(agent).get(case.get_absolute_url() + query).content.decode()

    return page


@pytest.mark.django_db
def test_a_case_of_another_list_comes_first_and_says_so(
    make_case: Callable[..., Case], agent: User, page: Callable[..., str]
) -> None:
    """Fails if the list of the link lacks the open case, or if it seems to belong to the list."""
    make_case(assignee=agent)
    other = make_case(by="lena", status=Status.DONE, done_at=timezone.now())
    shown = row(page(other), other)
    assert "current" in shown
    assert "not in this list" in shown
    assert page(other).index(f'id="row-{other.pk}"') == page(other).index('id="row-')


@pytest.mark.django_db
def test_a_case_of_the_list_keeps_its_place(
    make_case: Callable[..., Case], agent: User, page: Callable[..., str]
) -> None:
    case = make_case(assignee=agent)
    shown = row(page(case, "?view=mine"), case)
    assert "current" in shown
    assert "not in this list" not in shown
