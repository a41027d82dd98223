"""The checklist for setting up a workspace.

Only admins see it. Whether a step is done is read from the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Account, User, Workspace
from listening.models import Mention, Source, Topic
from responses.models import Delivery, Response
from scrm.reports.checklist import checklist
from scrm.sample import marker

As = Callable[[User], Client]
STEPS = ["source", "items", "topic", "network", "people", "answer", "organisation"]


def ticked() -> list[str]:
    return [name for name, step in zip(STEPS, checklist().steps, strict=True) if step.is_done]


def _find(source: Source) -> None:
    fetch = source.fetches.create()
    mention = Mention.objects.create(
        scope="feed:x", key="1", fetch=fetch, author_network="feed", author_key="a",
        kind="post", visibility="public",
    )  # fmt: skip
    mention.sightings.create(source=source, fetch=fetch)


def test_each_step_ticks_itself(
    admin: User, brand: Topic, make_source: Callable[..., Source]
) -> None:
    Topic.objects.update(created_at=timezone.now() - timedelta(days=1))
    marker.set_now(now=timezone.now())
    assert ticked() == []
    source = make_source()
    assert ticked() == ["source"]
    _find(source)
    assert ticked() == ["source", "items"]
    Topic.objects.create(name="Ours", owner=admin)
    User.objects.create_user("new@scrm.example")
    Workspace.objects.create(organisation="Acme")
    assert ticked() == ["source", "items", "topic", "people", "organisation"]


def test_an_answer_of_today_counts_and_the_samples_own_do_not(busy_day: None, admin: User) -> None:
    assert "answer" in ticked()
    marker.set_now(now=timezone.now())
    assert ticked() == ["source"]


def test_an_undone_reply_ticks_nothing(busy_day: None, admin: User) -> None:
    for response in Response.objects.exclude(state="cancelled"):
        Delivery.objects.filter(response=response).update(state="queued")
        response.cancel(by=admin)
    assert Response.objects.exists()
    assert "answer" not in ticked()


def test_only_an_account_on_a_real_network_counts_as_connected(
    admin: User, microblog: Account
) -> None:
    Account.objects.create(kind="sandbox.x", network="sandbox.x", owner=admin)
    Account.objects.create(kind="manual", network="offline", owner=admin)
    assert "network" not in ticked()
    Account.objects.create(kind="mastodon", network="mastodon:social.example", owner=admin)
    assert "network" in ticked()


def test_what_the_sandbox_says_is_no_source_of_ones_own(
    admin: User, make_source: Callable[..., Source]
) -> None:
    make_source(kind="sandbox.feed")
    assert ticked() == []
    assert checklist().steps[1].url == "/sources/new/"


def test_the_second_step_leads_to_the_source(
    admin: User, make_source: Callable[..., Source]
) -> None:
    source = make_source()
    assert checklist().steps[1].url == source.get_absolute_url()


@pytest.mark.parametrize("in_sample", [True, False])
def test_who_you_are_is_said_where_it_is_done(in_sample: bool, admin: User) -> None:
    if in_sample:
        marker.set_now(now=timezone.now())
    assert checklist().steps[-1].url == ("/start/" if in_sample else "/organisation/")


def test_every_step_leads_to_a_page(admin: User, as_: As) -> None:
    browser = as_(admin)
    for step in checklist().steps:
        assert browser.get(step.url).status_code == 200


@pytest.mark.parametrize("who", ["agent", "supervisor"])
def test_it_is_for_admins(who: str, as_: As, request: pytest.FixtureRequest) -> None:
    page = as_(request.getfixturevalue(who)).get("/map/")
    assert "First steps" not in page.content.decode()


def test_it_can_be_put_away_and_brought_back(admin: User, as_: As) -> None:
    browser = as_(admin)
    assert "First steps" in browser.get("/map/").content.decode()
    browser.post("/map/checklist/", {"to": "hidden"})
    page = browser.get("/map/").content.decode()
    assert "First steps" not in page
    assert "Show first steps" in page
    browser.post("/map/checklist/", {"to": "shown"})
    assert "First steps" in browser.get("/map/").content.decode()


def test_it_goes_when_all_is_done(
    admin: User, as_: As, make_source: Callable[..., Source], busy_day: None
) -> None:
    _find(make_source(address="https://own.example/feed"))
    Workspace.objects.create(organisation="Acme")
    Account.objects.create(kind="mastodon", network="mastodon:social.example", owner=admin)
    assert ticked() == STEPS
    page = as_(admin).get("/map/").content.decode()
    assert "First steps" not in page
    assert "Show first steps" not in page
