"""The list of mentions shows all mentions, or only those that a figure of the map counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm.models import Account, User
from listening.models import Mention, Source


@pytest.fixture
def find(make_source: Callable[..., Source]) -> Callable[..., Mention]:
    source = make_source(name="Traveller's blog")

    def found(key: str, *, days_ago: int = 0, **facts: Any) -> Mention:
        fetch = source.fetches.create(started_at=timezone.now() - timedelta(days=days_ago))
        facts = {
            "kind": "post", "visibility": "public", "text": f"Text {key}",
            "author_network": "feed:x", "author_key": "Ron",
        } | facts  # fmt: skip
        row = Mention.objects.create(scope="feed:x", key=key, fetch=fetch, **facts)
        row.sightings.create(source=source, fetch=fetch)
        return row

    return found


def keys(page: Any) -> list[str]:
    return [item.mention.key for item in page.context["items"]]


def test_the_newest_comes_first_with_its_source(agent: User, as_: Any, find: Any) -> None:
    """Fails if the list is sorted by another time than it shows."""
    now = timezone.now()
    find("today", occurred_at=now)
    find("last week", occurred_at=now - timedelta(days=7))
    find("yesterday", occurred_at=now - timedelta(days=1))
    find("no date")
    page = as_(agent).get("/mentions/")
    assert keys(page) == ["no date", "today", "yesterday", "last week"]
    assert "Traveller&#x27;s blog" in page.content.decode()


def test_words_narrow_it_and_odd_ones_are_passed_over(agent: User, as_: Any, find: Any) -> None:
    done = timezone.now()
    find("waits")
    find("talk", processed_at=done)
    find("before", processed_at=done, backlog=True)
    find("yesterday", processed_at=done, days_ago=1)
    browser = as_(agent)
    assert keys(browser.get("/mentions/?only=waiting")) == ["waits"]
    assert keys(browser.get("/mentions/?only=today&only=unmatched")) == ["talk"]
    assert keys(browser.get("/mentions/?only=unmatched")) == ["yesterday", "talk"]
    assert keys(browser.get("/mentions/?only=kept")) == []
    assert len(keys(browser.get("/mentions/?only=nonsense"))) == 4


def test_our_own_posts_are_no_mentions(agent: User, admin: User, as_: Any, find: Any) -> None:
    """Fails if the list contains what our own account wrote."""
    find("theirs")
    find("ours", author_network="x", author_key="7")
    find("same key elsewhere", author_key="7")
    Account.objects.create(kind="x", network="x", self_key="7", name="@us", owner=admin)
    Account.objects.create(kind="x", network="feed:x", self_key="", name="none", owner=admin)
    browser = as_(agent)
    assert keys(browser.get("/mentions/?only=today")) == ["same key elsewhere", "theirs"]


@pytest.mark.parametrize("only", ["", "only=today"])
def test_it_comes_in_pages_without_loss_or_double(
    only: str, agent: User, as_: Any, find: Any
) -> None:
    now = timezone.now()
    for number in range(65):  # groups of ten have the same time
        find(str(number), occurred_at=now - timedelta(hours=10 - number // 10))
    browser, address, seen = as_(agent), f"/mentions/?{only}", []
    while address:
        page = browser.get(address)
        seen += keys(page)
        older = page.context["older"]
        address = f"/mentions/?{older}" if older else ""
    assert seen == [str(number) for number in reversed(range(65))]


def test_a_private_message_is_listed_without_its_words(
    agent: User, supervisor: User, as_: Any, find: Any
) -> None:
    find("secret", visibility="private", text="For your eyes only")
    assert "For your eyes only" not in as_(agent).get("/mentions/").content.decode()
    assert "For your eyes only" in as_(supervisor).get("/mentions/").content.decode()
