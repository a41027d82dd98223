"""Who is notified of items that join an open case, and how often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from crm.models import Department, Interaction, Membership, Notice, User
from routing.following import follow
from routing.intake import take_in
from routing.join import join_message
from routing.models import Case
from routing.models.status import Status
from tests.routing.hearing import MINUTE, NOW, arrival, hear

pytestmark = pytest.mark.django_db
Kind = Notice.Kind


@pytest.fixture
def mine(service: Department, agent: User) -> Case:
    """An open case of the agent with one message."""
    case = hear(text="My bag is gone")
    case.claim(by=agent)
    case.refresh_from_db()
    return case


def told(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("pk").values_list("kind", flat=True))


def read() -> None:
    Notice.objects.update(read_at=timezone.now())


def test_a_message_in_the_conversation_of_an_open_case_notifies_its_assignee(
    mine: Case, agent: User
) -> None:
    """Fails if only new conversations and reopened cases notify the assignee."""
    assert hear(text="Hello?", now=NOW + MINUTE) == mine
    notice = Notice.objects.get(user=agent)
    assert (notice.kind, notice.about) == (Kind.JOINED, f"case:{mine.pk}")


def test_ten_messages_are_one_unread_notice(mine: Case, agent: User, teammate: User) -> None:
    """Fails without `unless_unread`, for the assignee and for the followers."""
    follow(mine, by=teammate)
    for number in range(10):
        hear(text=f"Hello {number}", thread=f"thread {number % 2}", now=NOW + number * MINUTE)
    assert (told(agent), told(teammate)) == ([Kind.JOINED], [Kind.FOLLOWED])
    read()
    hear(text="Hello again", now=NOW + 11 * MINUTE)
    assert (told(agent), told(teammate)) == ([Kind.JOINED] * 2, [Kind.FOLLOWED] * 2)


def test_after_an_unread_notice_of_the_reopening_no_message_adds_another(
    mine: Case, agent: User
) -> None:
    Case.objects.update(status=Status.WAITING)
    for number in range(3):
        hear(text=f"Hello {number}", now=NOW + number * MINUTE)
    assert told(agent) == [Kind.REOPENED]


def test_what_the_assignee_logged_is_no_news_to_the_assignee(mine: Case, agent: User) -> None:
    for by, expected in ((agent.pk, []), (None, [Kind.JOINED])):
        call = arrival(text="She called.", case=mine.pk)
        take_in([replace(call, by=by)], now=NOW)
        assert told(agent) == expected


def test_thanks_notify_nobody_but_followers(mine: Case, agent: User) -> None:
    hear(text="Thank you!", now=NOW + MINUTE)
    assert told(agent) == []


def test_an_answer_that_is_found_late_notifies_like_any_message(mine: Case, agent: User) -> None:
    """Fails if `join_message` notifies only of reopened cases."""
    late = arrival(text="Did you get it?", at=NOW + MINUTE)
    item = Interaction.objects.get(pk=late.interaction)
    join_message(mine, item, now=NOW + MINUTE, why="Late.")
    assert told(agent) == [Kind.JOINED]


def test_followers_who_cannot_see_the_case_are_not_notified(
    mine: Case, agent: User, teammate: User, outsider: User, supervisor: User
) -> None:
    """Fails if only inactive followers are left out: a notice contains the name of the person."""
    for user in (teammate, outsider, supervisor):
        follow(mine, by=user)
    hear(text="Hello?", now=NOW + MINUTE)
    assert (told(teammate), told(supervisor)) == ([Kind.FOLLOWED], [Kind.FOLLOWED])
    assert told(outsider) == []


def test_an_answer_that_is_found_late_leaves_no_case_with_an_assignee_who_left(
    mine: Case, agent: User
) -> None:
    """Fails if `join_message` reopens the case for the old assignee, and notifies that user."""
    Case.objects.update(status=Status.DONE, done_at=NOW)
    Membership.objects.filter(user=agent).delete()
    late = arrival(text="Did you get it?", at=NOW + MINUTE)
    item = Interaction.objects.get(pk=late.interaction)
    join_message(mine, item, now=NOW + MINUTE, why="Late.")
    mine.refresh_from_db()
    assert (mine.status, mine.assignee) == (Status.OPEN, None)
    assert told(agent) == []


@pytest.mark.parametrize(
    ("values", "thread"),
    [
        ({"status": Status.DONE, "done_at": NOW}, "anna"),
        ({"status": Status.WAITING}, "anna"),
        ({}, "another thread"),
    ],
    ids=["done", "waiting", "joined"],
)
def test_who_logs_an_item_is_not_notified_of_it(
    mine: Case, agent: User, teammate: User, values: dict[str, Any], thread: str
) -> None:
    """Fails without the check for reopened cases, for joined conversations, or for followers."""
    Case.objects.update(**values)
    follow(mine, by=teammate)
    call = arrival(text="She called.", thread=thread, at=NOW + MINUTE)
    take_in([replace(call, by=agent.pk)], now=NOW + MINUTE)
    assert (told(agent), told(teammate)) == ([], [Kind.FOLLOWED])
    read()
    call = arrival(text="She called again.", at=NOW + MINUTE)
    take_in([replace(call, by=teammate.pk)], now=NOW + MINUTE)
    assert (told(agent), told(teammate)) == ([Kind.JOINED], [Kind.FOLLOWED])


def test_a_follower_is_notified_of_the_items_that_others_added(mine: Case, teammate: User) -> None:
    """Fails if one item that the follower logged hides the other items of the batch."""
    follow(mine, by=teammate)
    call, mail = arrival(text="She called.", at=NOW), arrival(text="Hello?", at=NOW + MINUTE)
    take_in([replace(call, by=teammate.pk), mail], now=NOW + MINUTE)
    assert told(teammate) == [Kind.FOLLOWED]
