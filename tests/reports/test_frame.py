"""The navigation on every page, with the numbers of items that wait for the user."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from crm.models import Department, Profile, User
from routing.models import Case
from scrm.pages import navigation

As = Callable[[User], Client]


@pytest.mark.parametrize(("number", "said"), [(2, "2"), (3, "2+"), (5, "2+")])
def test_counts_end_where_nobody_reads_further(
    service: Department,
    agent: User,
    as_: As,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    said: str,
) -> None:
    """A number in the navigation is counted only up to a limit.

    In this test, at most three rows are counted, and the page then shows “2+”. Fails without the
    limit, because all rows (up to five in this test) are then counted.
    """
    monkeypatch.setattr(navigation, "MAX_COUNTED", 3)
    for n in range(number):
        profile = Profile.objects.create(network="sandbox.microblog", key=f"p{n}")
        Case.objects.create(profile=profile, department=service)
    counted = {item.label: item.count for item in navigation.Frame(agent).views}
    assert counted["Unassigned"] == min(number, 3)
    page = as_(agent).get("/nav/").content.decode()
    assert f'<span class="label">Unassigned</span><span class="count">{said}</span>' in page
    assert f'<span class="label">Customer service</span><span class="count">{said}</span>' in page
