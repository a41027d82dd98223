"""Fixtures that create cases as the product does: record an interaction, then route it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Department, Interaction
from listening.models import Fetch, Match, Mention, Source, Topic
from routing.intake import Arrival, take_in
from routing.models import Case
from routing.rules import Facts
from scrm.channels.base import Author


@pytest.fixture
def say(service: Department) -> Callable[..., Interaction]:
    """Return a function that records and routes a public post and returns its interaction."""
    numbers = itertools.count(1)

    def said(text: str, *, by: str = "roncalder", at: datetime | None = None, **facts: Any) -> Any:
        at = at or timezone.now()
        author = Author("sandbox.microblog", by, handle=f"@{by}", name=by.title(), reach=1200)
        entry = Entry(
            scope="sandbox.microblog",
            key=f"post-{next(numbers)}",
            author=author,
            channel="sandbox",
            kind="post",
            visibility="public",
            text=text,
            occurred_at=at,
            **facts,
        )
        row = record([entry], now=at)[0]
        arrival = Arrival(
            interaction=row.interaction,
            conversation=row.conversation,
            profile=row.profile or 0,
            contact=row.contact,
            said_at=at,
            facts=Facts(text=text, topics=frozenset({"Brand"}), reach=1200),
        )
        take_in([arrival], now=at)
        return Interaction.objects.get(pk=row.interaction)

    return said


@pytest.fixture
def make_case(say: Callable[..., Interaction]) -> Callable[..., Case]:
    """Return a function that creates a case from a post and sets the given fields of the case."""

    def make(text: str = "My bag is gone", *, by: str = "roncalder", **facts: Any) -> Case:
        said = say(text, by=by, at=facts.pop("at", None) or timezone.now() - timedelta(hours=1))
        Case.objects.filter(last_inbound=said).update(**facts)
        return Case.objects.get(last_inbound=said)

    return make


@pytest.fixture
def case(make_case: Callable[..., Case]) -> Case:
    return make_case()


@pytest.fixture
def hit(make_source: Callable[..., Source]) -> Callable[..., Match]:
    """Return a function that creates a match of a topic, with the positions of the matching words.

    The match belongs to the mention of the given interaction.
    """

    def made(said: Interaction, topic: Topic, spans: list[list[Any]]) -> Match:
        source = Source.objects.first() or make_source()
        mention, _created = Mention.objects.get_or_create(
            interaction=said,
            defaults={
                "scope": said.scope,
                "key": said.key,
                "fetch": Fetch.objects.create(source=source),
                "author_network": said.scope,
                "author_key": "x",
                "kind": said.kind,
                "visibility": said.visibility,
                "text": said.text,
                "processed_at": timezone.now(),
            },
        )
        return Match.objects.create(
            mention=mention, interaction=said, revision=topic.current, spans=spans
        )

    return made
