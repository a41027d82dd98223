"""A feed shows the same posts under new ids: nothing comes back, and corrections still arrive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from crm.models import Department
from listening.models import ItemAlias, Mention, MentionChange, Sighting, Source
from routing.models import Case
from scrm import pipeline
from scrm.channels.base import Author, Item
from scrm.channels.feed.aliases import aliases
from tests.listening.test_fetch import HOUR, NOON, Village, go, item, stored
from tests.listening.test_fetch import clock as clock  # noqa: PLC0414
from tests.listening.test_fetch import village as village  # noqa: PLC0414

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(make_source: Callable[..., Source], service: Department) -> Source:
    return make_source(created_at=NOON - timedelta(days=9), stance="for us")


def post(key: str, number: int, **facts: Any) -> Item:
    """Return an entry of a feed, as the feed channel reads it."""
    known = {
        "url": f"http://blog.test/p{number}",
        "title": f"Post {number} about Skyward",
        "text": f"Text of post {number}.",
        "occurred_at": NOON - number * HOUR,
    } | facts
    other = aliases(
        url=known["url"], title=known["title"], text=known["text"], author="Wanda",
        occurred_at=known["occurred_at"],
    )  # fmt: skip
    return item(key, aliases=other, content_hash=known["title"] + known["text"], **known)


def old(*numbers: int) -> list[Item]:
    return [post(f"http://blog.test/p{number}", number) for number in numbers]


@pytest.fixture
def known(source: Source, village: Village, clock: time_machine.Coordinates) -> Callable[..., None]:
    """The source has shown three posts. Return a function that fetches other items a day later."""
    village.says(*old(1, 2, 3))
    go(source)
    pipeline.process()
    assert Case.objects.count()
    clock.shift(timedelta(days=1))

    def fetch(*items: Item) -> None:
        village.says(*items)
        go(source)
        pipeline.process()

    return fetch


LATER = timedelta(seconds=20)
MALLORY = Author("feed", "feed.test#mallory")
MOVES = {
    "https": lambda n: post(f"https://blog.test/p{n}", n, url=f"https://blog.test/p{n}"),
    "another host": lambda n: post(f"https://new.test/p{n}", n, url=f"https://new.test/p{n}"),
    "another address of each post": lambda n: post(f"tag:{n}", n, url=f"https://x.test/?p={n}00"),
    "another software": lambda n: post(
        f"tag:blog.test,2026:{n}", n, url=f"https://blog.test/p{n}/?utm_source=rss",
        text=f"Text of  post {n}.", occurred_at=NOON - n * HOUR + LATER,
    ),
    "another software that names other authors": lambda n: post(
        f"tag:{n}", n, author=Author("feed", "feed.test#admin"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
def test_the_same_posts_under_new_ids_are_not_new(
    known: Callable[..., None], source: Source, move: str
) -> None:
    mentions, cases = stored(), Case.objects.count()
    for _ in range(2):
        known(*(MOVES[move](n) for n in (1, 2, 3)))
    assert stored() == mentions
    assert Case.objects.count() == cases
    assert source.fetches.latest("pk").new == 0


def test_a_done_case_stays_done(known: Callable[..., None]) -> None:
    Case.objects.update(status="done", done_at=NOON)
    known(*(MOVES["https"](n) for n in (1, 2, 3)))
    assert set(Case.objects.values_list("status", flat=True)) == {"done"}


def test_a_new_post_among_new_ids_is_new(known: Callable[..., None]) -> None:
    new = post("https://blog.test/p9", 9, occurred_at=NOON + timedelta(days=1))
    known(new, *(MOVES["https"](n) for n in (1, 2, 3)))
    assert new.key in stored()
    assert not Mention.objects.get(key=new.key).backlog
    newest = Case.objects.get().last_inbound
    assert newest
    assert newest.key == new.key


def test_an_old_post_that_is_not_recognised_among_new_ids_opens_no_case(
    known: Callable[..., None],
) -> None:
    cases = Case.objects.count()
    known(post("https://blog.test/x", 4), *(MOVES["https"](n) for n in (1, 2, 3)))
    assert Mention.objects.get(key="https://blog.test/x").backlog
    assert Case.objects.count() == cases


def test_after_a_change_of_ids_an_old_post_that_appears_late_opens_a_case(
    known: Callable[..., None],
) -> None:
    """Fails if ids that were recognised before still count as changed at each further fetch."""
    moved = [MOVES["https"](n) for n in (1, 2, 3)]
    known(*moved)
    known(post("https://blog.test/late", 4), *moved)
    assert not Mention.objects.get(key="https://blog.test/late").backlog


def test_only_late_posts_of_which_none_is_recognised_open_cases(known: Callable[..., None]) -> None:
    """A feed with few entries can show nothing but posts that it publishes late."""
    known(post("http://blog.test/p4", 4), post("http://blog.test/p5", 5))
    assert not Mention.objects.filter(backlog=True, key__endswith="p4").exists()
    assert not Mention.objects.filter(backlog=True, key__endswith="p5").exists()


def test_an_old_post_that_appears_late_among_known_ids_opens_a_case(
    known: Callable[..., None],
) -> None:
    """Fails if every item older than the last fetch is set aside: feeds also publish late."""
    known(post("http://blog.test/p4", 4), *old(1, 2, 3))
    assert not Mention.objects.get(key="http://blog.test/p4").backlog


@pytest.mark.parametrize(
    "facts",
    [
        {"number": 1, "occurred_at": NOON + timedelta(days=1)},  # the same warning, a day later
        {"number": 4, "url": "http://blog.test/p1"},  # all entries link to one page
        {"number": 4, "title": "Post 1 about Skyward"},  # all entries have one title
    ],
)
def test_an_entry_that_resembles_a_known_one_is_new(
    known: Callable[..., None], facts: dict[str, Any]
) -> None:
    known(post("other", **facts), *old(2, 3))
    assert "other" in stored()


def test_the_same_warnings_of_the_next_day_are_new(known: Callable[..., None]) -> None:
    """Fails if they count as the same posts under new ids, because all ids are new."""
    next_day = timedelta(days=1)
    known(*(post(f"w{n}", n, occurred_at=NOON + next_day - n * LATER) for n in (1, 2, 3)))
    assert {"w1", "w2", "w3"} <= stored()


def test_an_entry_of_another_author_is_no_edit(known: Callable[..., None]) -> None:
    forged = post("forged", 1, url="http://evil.test/x", text="Forged.", author=MALLORY)
    known(forged, *old(2, 3))
    assert "forged" in stored()
    assert not MentionChange.objects.exists()


def test_an_entry_that_its_feed_still_shows_is_not_the_same_as_its_copy(
    known: Callable[..., None],
) -> None:
    known(post("copy", 1), *old(1, 2, 3))
    assert "copy" in stored()


def test_two_entries_with_the_same_facts_are_not_recognised(known: Callable[..., None]) -> None:
    known(post("a", 1), post("b", 1), *old(2, 3))
    assert {"a", "b"} <= stored()


def test_a_correction_under_a_new_id_is_a_change_of_the_first_post(
    known: Callable[..., None],
) -> None:
    moved = [MOVES["https"](n) for n in (1, 2, 3)]
    known(*moved)
    corrected = post(moved[0].key, 1, title="Strike CANCELLED", text="Correction.")
    known(corrected, *moved[1:])
    change = MentionChange.objects.get()
    assert (change.mention.key, change.title) == ("http://blog.test/p1", "Strike CANCELLED")


def test_items_from_before_the_upgrade_get_aliases_at_the_next_fetch(
    known: Callable[..., None],
) -> None:
    ItemAlias.objects.all().delete()
    Sighting.objects.update(content_hash=None)
    known(*old(1, 2, 3))
    mentions = stored()
    known(*(MOVES["https"](n) for n in (1, 2, 3)))
    assert stored() == mentions


def test_an_entry_whose_date_is_only_a_day_is_not_known_by_title_and_date() -> None:
    midnight = NOON.replace(hour=0)
    facts = {"title": "Update", "text": "", "author": "Wanda"}
    one = aliases(url="http://blog.test/1", occurred_at=midnight, **facts)
    other = aliases(url="http://blog.test/2", occurred_at=midnight, **facts)
    assert not set(one) & set(other)


def test_the_address_of_a_whole_site_identifies_no_entry() -> None:
    facts = {"title": "Update", "text": "same", "author": "Wanda", "occurred_at": None}
    assert aliases(url="http://blog.test/", **facts) == ()
