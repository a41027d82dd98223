"""A case shows that a message was edited or deleted by its author, with both versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from crm.models import Account, Department, User
from listening.fetch import fetch_source
from listening.models import Mention, MentionChange, Source
from routing.models import Case
from scrm import pipeline
from scrm.channels.sandbox import community

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mention(microblog: Account, make_source: Callable[..., Source], service: Department) -> Mention:
    source = make_source(kind="sandbox", address="mentions", account=microblog, stance="for us")
    community.post("sandbox.microblog", "roncalder", "@SkywardAir you lost my bag")
    source.fetch_now()
    fetch_source(source)
    pipeline.process()
    return Mention.objects.get()


def change(mention: Mention, kind: str, text: str = "") -> None:
    MentionChange.objects.create(
        mention=mention, fetch=mention.fetch, kind=kind, text=text, content_hash=text or kind
    )


def page(agent: User, as_: Callable[[User], Client]) -> str:
    return as_(agent).get(Case.objects.get().get_absolute_url()).content.decode()


def test_an_edited_message_shows_both_texts(
    mention: Mention, agent: User, as_: Callable[[User], Client]
) -> None:
    change(mention, "edited", "@SkywardAir you lost my bag <b>twice</b>")
    shown = page(agent, as_)
    assert "you lost my bag" in shown
    assert "Edited at the source" in shown
    assert "you lost my bag &lt;b&gt;twice&lt;/b&gt;" in shown


def test_a_deleted_message_keeps_its_text(
    mention: Mention, agent: User, as_: Callable[[User], Client]
) -> None:
    change(mention, "deleted")
    shown = page(agent, as_)
    assert "you lost my bag" in shown
    assert "Deleted at the source" in shown


def test_an_unchanged_message_says_nothing_of_changes(
    mention: Mention, agent: User, as_: Callable[[User], Client]
) -> None:
    shown = page(agent, as_)
    assert "you lost my bag" in shown
    assert "at the source" not in shown
