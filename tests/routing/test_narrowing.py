"""Inbox filters to which other pages link.

One filter selects the cases of one assignee; the other selects all cases that are not closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from crm.models import Contact, User
from routing.models import Case


@pytest.fixture
def cases(make_case: Callable[..., Case]) -> dict[str, Case]:
    ann = make_case(by="ann")
    ann.profile.link_to(Contact.objects.create(name="Ann"), by=None, evidence="Said so.")
    return {
        "ann": ann,
        "bob": make_case(by="bob", status="snoozed"),
        "done": make_case(by="done", status="done", done_at=timezone.now()),
        "noise": make_case(by="noise", status="noise"),
    }


def found(browser: Any, query: str) -> set[str]:
    page = browser.get(f"/?view=all&{query}")
    assert page.status_code == 200
    return {row.case.profile.key for row in page.context["rows"]}


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("who=known", {"ann"}),
        ("who=strangers", {"bob", "done", "noise"}),
        ("status=living", {"ann", "bob"}),
        ("status=living&who=strangers", {"bob"}),
    ],
)
def test_each_filter_narrows_the_list(
    query: str, who: set[str], cases: dict[str, Case], agent: User, as_: Any
) -> None:
    assert found(as_(agent), query) == who


def test_whoever_sees_everything_may_ask_for_anybodys_cases(
    cases: dict[str, Case], admin: User, supervisor: User, as_: Any
) -> None:
    """A user who sees all departments, such as a supervisor, can filter by any assignee.

    The assignee in this test is an admin who is not a member of a department.
    """
    Case.objects.filter(pk=cases["ann"].pk).update(assignee=admin)
    assert found(as_(supervisor), f"assignee={admin.pk}") == {"ann"}
