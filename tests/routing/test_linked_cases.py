"""Cases of different people that users linked: both pages show them, and the link can be undone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Department, User
from routing.linking import link_cases
from routing.models import Case, CaseEvent, CaseLink
from tests.routing.hearing import hear

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]


@pytest.fixture
def two(service: Department) -> tuple[Case, Case]:
    return hear("anna"), hear("ben")


def link(browser: Client, case: Case, other: object, kind: str) -> int:
    typed = {"other": other, "kind": kind}
    return browser.post(reverse("routing:link", args=[case.pk]), typed).status_code


def linked(browser: Client, case: Case) -> dict[int, bool]:
    """Return {id of each case in the list of linked cases: whether it has a link to its page}."""
    page = browser.get(case.get_absolute_url())
    rows = {other.pk: other for other in page.context["linked"]}
    html = page.content.decode()
    assert all(f"#{pk} " in html for pk in rows)
    return {pk: f'<a href="{row.get_absolute_url()}">#{pk} ' in html for pk, row in rows.items()}


def test_a_link_stands_on_both_pages_until_it_is_taken_back(
    two: tuple[Case, Case], agent: User, as_: As
) -> None:
    """Fails if only the page where it was typed names the other case, or if it never goes away."""
    anna, ben = two
    browser = as_(agent)
    assert linked(browser, anna) == {}
    assert link(browser, anna, ben.pk, "linked") == 302
    assert linked(browser, anna) == {ben.pk: True}
    assert linked(browser, ben) == {anna.pk: True}
    assert link(browser, ben, anna.pk, "none") == 302
    assert linked(browser, anna) == linked(browser, ben) == {}
    assert not CaseLink.objects.exists()
    for case in two:
        assert case.events.filter(kind=CaseEvent.Kind.LINKED).count() == 2


def test_linking_twice_is_one_link_and_one_event(two: tuple[Case, Case], agent: User) -> None:
    anna, ben = two
    for one, other in (two, two[::-1]):
        link_cases(one, other, CaseLink.Kind.LINKED, by=agent)
    assert CaseLink.objects.count() == 1
    assert anna.events.filter(kind=CaseEvent.Kind.LINKED).count() == 1
    assert ben.events.filter(kind=CaseEvent.Kind.LINKED).count() == 1


def test_a_linked_case_that_the_user_may_not_see_is_a_number_and_no_link(
    two: tuple[Case, Case], agent: User, admin: User, as_: As
) -> None:
    """Fails if the name of the other person is told to who may not see that person's case."""
    anna, ben = two
    legal = Department.objects.create(name="Legal", owner=admin, is_restricted=True)
    link_cases(anna, ben, CaseLink.Kind.LINKED, by=admin)
    ben.profile.name = "Benedikt Secret"
    ben.profile.save()
    Case.objects.filter(pk=ben.pk).update(department=legal)
    browser = as_(agent)
    assert linked(browser, anna) == {ben.pk: False}
    page = browser.get(anna.get_absolute_url()).content.decode()
    assert "Legal" in page
    assert "Benedikt" not in page
    assert linked(as_(admin), anna) == {ben.pk: True}


def test_who_may_only_read_the_case_links_nothing(
    two: tuple[Case, Case], reader: User, as_: As
) -> None:
    assert link(as_(reader), two[0], two[1].pk, "linked") == 404
    assert not CaseLink.objects.exists()


@pytest.mark.parametrize("other", ["", "x", 999_999])
def test_an_unknown_case_is_not_linked(
    two: tuple[Case, Case], agent: User, as_: As, other: object
) -> None:
    assert link(as_(agent), two[0], other, "linked") in {404, 409, 422}
    assert not CaseLink.objects.exists()
