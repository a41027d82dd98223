"""Edits and deletions at the source are stored once, and the text that was found first is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.models import User
from listening.changes import keep_changes
from listening.models import Fetch, Mention, MentionChange, Source
from scrm.channels.base import Change
from tests.listening.test_fetch import SCOPE, Village, go, item
from tests.listening.test_fetch import village as village  # noqa: PLC0414

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    return make_source()


def edited(text: str, key: str = "1") -> Change:
    return Change(SCOPE, key, "edited", text=text)


DELETED = Change(SCOPE, "1", "deleted")


def told() -> list[tuple[str, str]]:
    return list(MentionChange.objects.order_by("pk").values_list("kind", "text"))


def test_a_post_that_is_edited_three_times_and_deleted_keeps_all_versions(
    source: Source, village: Village
) -> None:
    village.says(item("1"))
    go(source)
    for change in (edited("second"), edited("third"), edited("fourth"), DELETED):
        village.says(changes=(change,))
        go(source)
    assert told() == [
        ("edited", "second"), ("edited", "third"), ("edited", "fourth"), ("deleted", ""),
    ]  # fmt: skip
    assert Mention.objects.get().text == "words 1"


def test_the_same_change_reported_again_is_stored_once(source: Source, village: Village) -> None:
    village.says(item("1"))
    go(source)
    for _ in range(3):
        village.says(changes=(edited("second"),))
        go(source)
    assert told() == [("edited", "second")]


def test_an_edit_back_to_the_first_text_is_a_change(source: Source, village: Village) -> None:
    village.says(item("1"), changes=(edited("second"), edited("words 1")))
    go(source)
    assert told() == [("edited", "second"), ("edited", "words 1")]


def test_an_edit_to_the_known_text_is_none(source: Source, village: Village) -> None:
    village.says(item("1"), changes=(edited("words 1"),))
    go(source)
    assert told() == []


def test_a_change_of_an_item_that_was_never_found_is_ignored(
    source: Source, village: Village
) -> None:
    village.says(item("1"), changes=(edited("text", key="2"),))
    go(source)
    assert told() == []


def test_a_stored_change_cannot_be_altered(source: Source, village: Village) -> None:
    village.says(item("1"), changes=(DELETED,))
    go(source)
    with pytest.raises(IntegrityError), transaction.atomic():
        MentionChange.objects.update(kind="edited")


class AnyReports(TestCase):
    def setUp(self) -> None:
        owner = User.objects.create(email="owner@scrm.example", name="Owner")
        source = Source.objects.create(kind="feed", address="a", name="A", owner=owner)
        self.fetch = Fetch.objects.create(source=source)
        self.mention = Mention.objects.create(
            scope=SCOPE, key="1", fetch=self.fetch, author_network="n", author_key="k",
            kind="post", visibility="public", text="a",
        )  # fmt: skip

    @given(st.lists(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=4), max_size=4))
    @settings(max_examples=40)
    def test_the_stored_changes_are_the_reports_without_repeats(self, fetches: Any) -> None:
        with transaction.atomic():
            expected, shown = [], "a"
            for reports in fetches:
                changes = [DELETED if text is None else edited(text) for text in reports]
                keep_changes(self.fetch, changes, now=self.fetch.started_at)
                for text in reports:
                    if text != shown:
                        expected.append(text)
                        shown = text
            assert [text or None for _kind, text in told()] == expected
            transaction.set_rollback(True)
