"""A process loads the topics again only if their stamp was changed.

The stamp is a random value in the database. A trigger changes it with every SQL statement that
changes topics, even with one from outside Django.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.models import User
from listening import matching
from listening.models import Topic, TopicStamp
from listening.topic_hits import current_matcher

WORDS = ("bag", "seat", "crew")
TEXT = " ".join(WORDS)


def hits() -> list[int]:
    return [hit.key for hit in current_matcher().match("", TEXT)]


def hits_read_afresh() -> list[int]:
    queries = sorted(Topic.objects.queries(), key=lambda query: query.key)
    return [hit.key for hit in matching.compile(queries).match("", TEXT)]


def listen_for(word: str, owner: User) -> Topic:
    topic = Topic.objects.create(name=word, owner=owner)
    topic.revise(any_of=[word], all_of=[], none_of=[], by=owner)
    return topic


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
def test_unchanged_topics_are_not_read_again(brand: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no topic was changed, only the stamp is read from the database.

    Fails if all topics are loaded again for each batch.
    """
    current_matcher()
    with CaptureQueriesContext(connection) as statements:
        matcher = current_matcher()
    assert current_matcher() is matcher
    assert [("listening_topicstamp" in each["sql"]) for each in statements] == [True]


class Rollback(Exception):
    pass


def revise(word: str, owner: User) -> None:
    topic = Topic.objects.filter(name=word).first() or listen_for(word, owner)
    topic.revise(any_of=[word, "else"], all_of=[], none_of=[], by=owner)


CHANGES: dict[str, Callable[[str, User], object]] = {
    "add or revise": revise,
    "pause": lambda word, _: Topic.objects.filter(name=word).update(is_active=False),
    "go on": lambda word, _: Topic.objects.filter(name=word).update(is_active=True),
    "pause all by SQL": lambda *_: execute("UPDATE listening_topic SET is_active = FALSE"),
    "go on by SQL": lambda word, _: execute(
        f"UPDATE listening_topic SET is_active = TRUE WHERE name = '{word}'"
    ),
    "swap by SQL": lambda *_: execute("UPDATE listening_topic SET is_active = NOT is_active"),
    "nothing": lambda *_: None,
}


class AfterAnyChanges(TestCase):
    @pytest.mark.slow
    @settings(max_examples=60)
    @given(
        st.lists(
            st.tuples(st.sampled_from(sorted(CHANGES)), st.sampled_from(WORDS), st.booleans()),
            min_size=1,
            max_size=8,
        )
    )
    def test_the_matcher_is_that_of_the_topics_as_they_are(
        self, steps: list[tuple[str, str, bool]]
    ) -> None:
        """After any sequence of changes and rollbacks, the matcher uses the stored topics.

        Fails without the trigger. Fails also if each change increases a counter instead of setting
        a random stamp. After a rollback, the next change would then get a number that a process has
        already seen, so the process would not load the topics again.
        """
        owner = User.objects.create_user("owner@scrm.example")
        for change, word, stays in steps:
            try:
                with transaction.atomic():
                    CHANGES[change](word, owner)
                    assert hits() == hits_read_afresh()
                    if not stays:
                        raise Rollback
            except Rollback:
                pass
            assert hits() == hits_read_afresh()


@contextmanager
def elsewhere() -> Iterator[Any]:
    """Open a second database connection with its own transaction, like another process."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


@pytest.mark.django_db(transaction=True)
def test_what_another_process_changes_counts_from_its_commit(brand: Topic) -> None:
    """A change by another process takes effect as soon as it is committed.

    Fails without the trigger, because changes of other processes are then not noticed.
    """
    assert hits() == []
    with elsewhere() as cursor:
        cursor.execute(
            "INSERT INTO listening_topicrevision (topic_id, number, any_of, all_of, none_of, "
            "made_by_id, made_at) SELECT id, 2, '{bag}', '{}', '{}', owner_id, now() "
            "FROM listening_topic RETURNING id"
        )
        revision = cursor.fetchone()[0]
        cursor.execute("UPDATE listening_topic SET current_id = %s", [revision])
        assert hits() == []
        cursor.connection.commit()
        assert hits() == [revision]
        cursor.execute("TRUNCATE listening_topic CASCADE")
        cursor.connection.commit()
        assert hits() == []


@pytest.mark.django_db(transaction=True)
def test_a_change_that_was_rolled_back_elsewhere_leaves_the_stamp(brand: Topic) -> None:
    before = TopicStamp.objects.get().stamp
    with elsewhere() as cursor:
        cursor.execute("UPDATE listening_topic SET is_active = FALSE")
        cursor.connection.rollback()
    assert TopicStamp.objects.get().stamp == before
    assert current_matcher() is current_matcher()
