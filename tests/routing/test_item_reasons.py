"""The page “Routing reasons” explains each item of a case, also those that joined."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Department, User
from routing.intake import Arrival, take_in
from routing.item_reasons import item_reasons
from routing.models import Case, RoutingRule
from routing.rules import Facts
from scrm.channels.base import Author

As = Callable[[User], Client]


@pytest.fixture
def say(service: Department, admin: User) -> Callable[..., Case]:
    """Return a function that lets Tom write a message; all messages are in one conversation."""
    rule = RoutingRule.objects.create(name="Influencers", owner=admin)
    leaf = {"field": "text", "op": "contains", "value": "bag"}
    rule.revise(
        conditions={"all": [leaf]}, department=None, by=admin, always=True, tags=("bags",),
        priority="",
    )  # fmt: skip
    rest = RoutingRule.objects.create(name="Rest", owner=admin, position=1)
    rest.revise(conditions={"all": []}, department=service, by=admin)

    def write(text: str, key: str, now: datetime | None = None) -> Case:
        now = now or timezone.now()
        entry = Entry(
            scope="x", key=key, author=Author("x", "tom", "@tom", name="Tom"), channel="x",
            kind="dm", visibility="private", text=text, thread_key="tom",
        )  # fmt: skip
        row = record([entry], now=now)[0]
        arrival = Arrival(
            interaction=row.interaction, conversation=row.conversation, profile=row.profile or 0,
            contact=None, said_at=now, facts=Facts(text=text, visibility="private"),
        )  # fmt: skip
        return Case.objects.get(pk=take_in([arrival], now=now)[row.interaction])

    return write


def test_each_item_has_its_rule_effects_and_reasons_newest_first(
    say: Callable[..., Case], agent: User
) -> None:
    """Fails if only the item that opened the case is explained."""
    say("Hello", "1")
    case = say("My bag is lost", "2")
    second, first = item_reasons(case, agent)
    assert first.sentence.startswith("It opened this case.")
    assert second.sentence.startswith("It continues a conversation of this case.")
    assert second.event.revision
    assert second.event.revision.rule.name == "Rest"
    tags = second.effects[0]
    assert (tags.label, tags.rule, tags.why) == ("Tags", "Influencers", "text contains “bag”")


def test_the_page_is_reachable_from_each_message(
    say: Callable[..., Case], agent: User, as_: As
) -> None:
    case = say("My bag is lost", "1")
    browser = as_(agent)
    page = browser.get(case.get_absolute_url()).content.decode()
    link = f"/cases/{case.pk}/why/#item-{case.last_inbound_id}"
    assert link in page
    page = browser.get(f"/cases/{case.pk}/why/").content.decode()
    assert f'id="item-{case.last_inbound_id}"' in page
    assert "Other rules" not in page  # there is no other rule that could have decided
    assert "What the rules did" in page


def test_what_a_user_may_not_read_is_not_explained(
    say: Callable[..., Case], agent: User, outsider: User, service: Department
) -> None:
    case = say("My bag is lost", "1")
    Department.objects.filter(pk=service.pk).update(is_restricted=True)
    case.conversations.update(restricted_to=service)
    assert item_reasons(case, agent)
    assert item_reasons(case, outsider) == []


def test_the_page_takes_the_same_number_of_queries_for_any_number_of_items(
    say: Callable[..., Case], agent: User, as_: As, django_assert_num_queries: Any
) -> None:
    case = say("My bag", "0")
    browser, url = as_(agent), f"/cases/{case.pk}/why/"
    browser.get(url)
    with CaptureQueriesContext(connection) as one:
        browser.get(url)
    for number in range(1, 9):
        say("And my bag", str(number))
    with django_assert_num_queries(len(one)):
        browser.get(url)
