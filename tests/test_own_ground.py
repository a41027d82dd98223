"""A source without an account that reads the feed of our own blog."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from crm.models import Account, Department, Interaction, User
from listening.fetch import store
from listening.models import Source
from routing.models import Case
from scrm import pipeline
from scrm.channels.base import Author, Item

pytestmark = pytest.mark.django_db
SITE = "wordpress:blog.example"
POST = "//blog.example/?p=5"


@pytest.fixture
def feed(service: Department, admin: User, make_source: Callable[..., Source]) -> Source:
    Account.objects.create(
        kind="wordpress", network=SITE, self_key="user-1", name="Blog", owner=admin
    )
    return make_source(stance="for us")


def hear(source: Source, key: str, **facts: str) -> None:
    author = Author("feed", "blog.example#Ada", name="Ada")
    item = Item(scope=SITE, key=key, author=author, text="Skyward!", thread_key=POST, **facts)  # type: ignore[arg-type]
    store(source.fetches.create(), source, [item], now=timezone.now())
    pipeline.process()


def test_a_post_there_is_ours_whoever_wrote_it(feed: Source) -> None:
    """A post on our own blog counts as ours, whoever its author is.

    Fails if only the author decides whether a post is ours, and not the blog. Our own statement
    then opens a case.
    """
    Source.objects.update(last_ok_at=timezone.now())
    feed.refresh_from_db()
    hear(feed, POST)
    assert Interaction.objects.get().is_ours
    assert not Case.objects.exists()


def test_a_comment_there_is_a_readers(feed: Source) -> None:
    Source.objects.update(last_ok_at=timezone.now())
    feed.refresh_from_db()
    hear(feed, f"{POST}#comment-1", kind="comment", in_reply_to=POST)
    assert not Interaction.objects.get().is_ours
    assert Case.objects.count() == 1
