"""The page of an open case shows when it is due, or says why it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from crm.models import User
from routing.due_times import recompute, why_no_due_time
from routing.models import Case
from tests.routing.test_due_times import answer, house, say

__all__ = ["house"]
pytestmark = pytest.mark.django_db


def test_an_open_case_without_a_due_time_says_why_on_its_page(
    agent: User, as_: Callable[[User], Client]
) -> None:
    """Fails if the page of a case that nobody has to answer in time says nothing."""
    browser, case = as_(agent), say(at=timezone.now())

    def shown() -> tuple[bool, str]:
        page = browser.get(case.get_absolute_url())
        said = page.context["not_due"]
        html = page.content.decode()
        assert escape(said) in html
        assert ("not-due" in html) == bool(said)
        return bool(page.context["due"][0]), said

    assert shown() == (True, "")
    Case.objects.update(priority="low")
    recompute([case.pk])
    case.refresh_from_db()
    no_target = why_no_due_time(case)
    assert no_target
    assert shown() == (False, no_target)
    Case.objects.update(priority="normal", assignee=agent)
    recompute([case.pk])
    answer(case, at=timezone.now())
    Case.objects.update(status="open")
    assert shown()[0] is False
    assert shown()[1] not in {"", no_target}
    Case.objects.update(status="done", done_at=timezone.now())
    assert shown() == (False, "")
