"""The case page shows who took part: who wrote to us, who replied below, and which colleagues."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from crm.ledger import Entry, record
from crm.models import Department, Interaction, Profile, User
from routing.models import Case
from routing.participants import MAX_NAMED
from scrm.channels.base import Author
from tests.routing.hearing import MINUTE, NOW, arrival, hear, place
from tests.routing.test_bystanders import hear as hear_posts
from tests.routing.test_bystanders import post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    return service


def answer(case: Case, *, by: User) -> None:
    said = Interaction.objects.get(pk=case.last_inbound_id)
    entry = Entry(
        said.scope, f"our {said.key}", Author("x", "anna"), said.channel, "reply",
        said.visibility, "Sorry.", direction="out", in_reply_to=said.key,
        conversation=said.conversation_id, staff=by.pk,
    )  # fmt: skip
    record([entry], now=NOW + MINUTE)


def panel(browser: Client, case: Case) -> tuple[list[str], str]:
    """Return the addresses of the profiles that the panel names, and its HTML."""
    page = browser.get(case.get_absolute_url()).content.decode()
    html = page.split('<section class="participants">')[1].split("</section>")[0]
    html = html.split("</h2>")[1]
    return re.findall(r'href="([^"]+)"', html), html


def pages_of(*keys: str) -> list[str]:
    return [Profile.objects.get(key=key).get_absolute_url() for key in keys]


def test_everybody_of_a_private_thread_and_the_colleague_who_answered_are_named(
    agent: User, as_: Callable[[User], Client]
) -> None:
    case = hear("anna", thread="family")
    place(arrival("ben", "And mine", thread="family", at=NOW + MINUTE))
    answer(case, by=agent)
    links, html = panel(as_(agent), case)
    assert links == pages_of("anna", "ben")
    assert str(agent) in html
    assert "other pe" not in html


def test_bystanders_are_counted_as_people_and_are_not_named(
    agent: User, as_: Callable[[User], Client]
) -> None:
    """Ann replies twice below our answer and Ben once: two other people.

    Fails if replies are counted instead of people, or if bystanders are named with Tom.
    """
    case = hear_posts(post("tom-1", "tom", "You lost my bag"))[0]
    answer(case, by=agent)
    replies = [
        post(f"r{number}", who, "typical", answers="our tom-1", at=NOW + number * MINUTE)
        for number, who in enumerate(("ann", "ann", "ben"), 2)
    ]
    assert hear_posts(*replies, now=NOW + 9 * MINUTE) == [case] * 3
    links, html = panel(as_(agent), case)
    assert links == pages_of("tom")
    assert str(agent) in html
    assert "2 other people" in html


def test_of_a_crowd_only_some_are_named(agent: User, as_: Callable[[User], Client]) -> None:
    for number in range(MAX_NAMED + 3):
        case = place(arrival(f"p{number}", thread="crowd", at=NOW + number * MINUTE))[0]
    assert len(panel(as_(agent), case)[0]) == MAX_NAMED
