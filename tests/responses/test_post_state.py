"""The state of posts in the calendar, and the number of responses to approve in the menu."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, User
from responses import outbox
from responses.compose import Words, state_publicly
from responses.models import Delivery, Response, ResponseRule
from responses.models.delivery_state import DeliveryState
from responses.post_state import post_state
from routing.models import Issue

As = Callable[[User], Client]


@pytest.fixture
def post(microblog: Account, service: Department, agent: User, seats: Issue) -> Response:
    words = Words(uuid.uuid4(), "We are sorry.", "public")
    return state_publicly(words, accounts=[microblog], by=agent, department=service, issue=seats)


def label(response: Response) -> str:
    return post_state(Response.objects.get(pk=response.pk), timezone.now()).label


def entry(browser: Client, response: Response) -> str:
    """Return the HTML of the calendar's entry for this response."""
    page = browser.get(reverse("responses:calendar")).content.decode()
    found = re.search(rf'<a class="entry[^>]*href="/responses/{response.pk}/".*?</a>', page, re.S)
    assert found, page
    return found[0]


def classes(html: str) -> set[str]:
    found = re.match(r'<a class="([^"]*)"', html)
    assert found
    return set(found[1].split())


def needs_a_person(browser: Client) -> list[tuple[str, str]]:
    """Return address and class of each post in the list of those that need a person."""
    page = browser.get(reverse("responses:calendar")).content.decode()
    _before, _mark, rest = page.partition('<section class="card needs-person"')
    links = re.findall(r'<a class="(is-[a-z]+)" href="([^"]+)"', rest.split("</section>")[0])
    return [(address, group) for group, address in links]


@pytest.mark.parametrize(
    ("state", "words", "icon"),
    [("failed", "not sent", "circle-alert"), ("unknown", "unknown if sent", "triangle-alert")],
)
def test_a_failed_or_unknown_post_does_not_look_sent_in_the_calendar(
    post: Response, agent: User, as_: As, state: str, words: str, icon: str
) -> None:
    """Fails if the entry has the class of sent posts, or is not listed as work for a person."""
    post.deliveries.update(state=state, error="The network refused it.")
    shown = entry(as_(agent), post)
    assert words in shown
    assert f"#{icon}" in shown
    assert ">sent" not in shown
    assert classes(shown) == {"entry", "is-failed"}
    assert needs_a_person(as_(agent)) == [(post.get_absolute_url(), "is-failed")]


@pytest.mark.parametrize(
    ("state", "group"), [("sent", "is-sent"), ("queued", "is-planned"), ("cancelled", "is-other")]
)
def test_a_post_that_nobody_must_look_at_has_the_class_of_its_group(
    post: Response, agent: User, as_: As, state: str, group: str
) -> None:
    if state == "sent":
        post.deliveries.update(send_after=timezone.now())
        outbox.deliver(post.deliveries.get())
    else:
        post.deliveries.update(state=state)
    assert post.deliveries.get().state == state
    assert classes(entry(as_(agent), post)) == {"entry", group}
    assert needs_a_person(as_(agent)) == []


def test_a_held_post_is_planned_work_of_a_person(post: Response, agent: User, as_: As) -> None:
    Response.objects.filter(pk=post.pk).update(state="held")
    assert classes(entry(as_(agent), post)) == {"entry", "is-held"}
    assert needs_a_person(as_(agent)) == [(post.get_absolute_url(), "is-held")]


def test_the_legend_explains_each_group(post: Response, agent: User, as_: As) -> None:
    page = as_(agent).get(reverse("responses:calendar")).content.decode()
    legend = page.split('<ul class="legend"')[1].split("</ul>")[0]
    found = re.findall(r'<li class="([a-z-]+)">', legend)
    assert found == ["is-sent", "is-planned", "is-held", "is-failed"]
    css = (Path(settings.BASE_DIR) / "static/css/response.css").read_text()
    assert [group for group in found if f".{group}" not in css] == []


def test_a_post_that_failed_on_one_of_two_channels_says_so(
    post: Response, service: Department, admin: User
) -> None:
    blog = Account.objects.create(
        kind="sandbox", network="sandbox.blog", self_key="our-blog", name="Our blog", owner=admin
    )
    post.deliveries.create(account=blog, state=DeliveryState.FAILED)
    assert label(post) == "not sent: 1 of 2"


def test_a_post_that_was_sent_again_is_no_longer_failed(post: Response) -> None:
    failed = post.deliveries.get()
    Delivery.objects.filter(pk=failed.pk).update(state=DeliveryState.FAILED)
    assert label(post) == "not sent"
    Delivery.objects.create(
        response=post, account=failed.account, replaces=failed, state=DeliveryState.QUEUED
    )
    assert label(post) == "queued"


def test_the_menu_counts_the_cards_to_approve_and_to_review(
    post: Response,
    service: Department,
    microblog: Account,
    seats: Issue,
    agent: User,
    lead: User,
    as_: As,
    make_rule: Callable[..., ResponseRule],
) -> None:
    """Fails if the menu and the page count different responses."""
    make_rule("refund")
    make_rule("voucher", "review")
    for text in ("A refund.", "A voucher.", "Another voucher."):
        words = Words(uuid.uuid4(), text, "public")
        state_publicly(words, accounts=[microblog], by=agent, department=service, issue=seats)
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    cards = page.count('<article class="card words"')
    link = re.search(r'href="/approvals/".*?class="count[^"]*">(\d+)', page, re.S)
    assert link, page
    assert (cards, int(link[1])) == (3, 3)
