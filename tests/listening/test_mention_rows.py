"""The list of mentions shows all mentions, or only those that a figure of the map counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm.models import User
from listening.models import Mention, Source


@pytest.fixture
def find(make_source: Callable[..., Source]) -> Callable[..., Mention]:
    source = make_source(name="Traveller's blog")

    def found(key: str, *, days_ago: int = 0, **facts: Any) -> Mention:
        fetch = source.fetches.create(started_at=timezone.now() - timedelta(days=days_ago))
        facts = {"kind": "post", "visibility": "public", "text": f"Text {key}"} | facts
        row = Mention.objects.create(
            scope="feed:x", key=key, fetch=fetch, author_network="feed:x", author_key="Ron", **facts
        )
        row.sightings.create(source=source, fetch=fetch)
        return row

    return found


def keys(page: Any) -> list[str]:
    return [item.mention.key for item in page.context["items"]]


def test_the_last_found_comes_first_with_its_source(agent: User, as_: Any, find: Any) -> None:
    find("1")
    find("2")
    page = as_(agent).get("/mentions/")
    assert keys(page) == ["2", "1"]
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


@pytest.mark.parametrize("only", ["", "only=today"])
def test_it_comes_in_pages_without_loss_or_double(
    only: str, agent: User, as_: Any, find: Any
) -> None:
    for number in range(65):
        find(str(number))
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
