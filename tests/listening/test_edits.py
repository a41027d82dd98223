"""A source that only shows items, and reports no changes, shows an item with another content."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.models import Account, Department, Interaction, User
from listening.models import Mention, MentionChange, Sighting, Source
from listening.versions import record_versions
from routing.merge_preview import preview
from routing.models import Case
from routing.unanswered import unanswered
from scrm import pipeline
from scrm.channels.base import Change, Item
from tests.listening.test_fetch import NOON, SCOPE, Village, go, item
from tests.listening.test_fetch import clock as clock  # noqa: PLC0414
from tests.listening.test_fetch import village as village  # noqa: PLC0414

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(make_source: Callable[..., Source], service: Department) -> Source:
    return make_source(created_at=NOON - timedelta(days=2), stance="for us")


def shown(text: str, key: str = "1", **facts: Any) -> Item:
    """Return an item as its source shows it now."""
    return item(key, **{"text": text, "content_hash": f"raw of {text}", **facts})


def told() -> list[tuple[str, str]]:
    return list(MentionChange.objects.order_by("pk").values_list("kind", "text"))


def fetch_each(source: Source, village: Village, *items: Item) -> None:
    for each in items:
        village.says(each)
        go(source)


def test_a_correction_is_a_change_and_an_interaction_that_revises(
    source: Source, village: Village
) -> None:
    fetch_each(source, village, shown("Pilots strike."))
    pipeline.process()
    fetch_each(source, village, shown("Pilots do not strike."))
    assert told() == [("edited", "Pilots do not strike.")]
    assert Mention.objects.get().text == "Pilots strike."
    first, version = Interaction.objects.order_by("pk")
    assert (version.revises, version.kind, version.text) == (first, "edit", "Pilots do not strike.")
    assert version.key.startswith("1~")
    assert version.conversation == first.conversation


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        (NOON - timedelta(minutes=5), NOON - timedelta(minutes=5)),
        (NOON - timedelta(hours=3), None),
        (NOON + timedelta(days=1), None),
        (None, None),
    ],
)
def test_the_time_of_an_edit_is_kept_if_it_can_be_true(
    source: Source, village: Village, stated: datetime | None, kept: datetime | None
) -> None:
    said = NOON - timedelta(hours=2)
    fetch_each(source, village, shown("A", occurred_at=said))
    fetch_each(source, village, shown("B", occurred_at=said, edited_at=stated))
    assert MentionChange.objects.get().occurred_at == kept


def test_the_time_of_an_earlier_edit_is_not_that_of_a_later_one(
    source: Source, village: Village, clock: time_machine.Coordinates
) -> None:
    """Some sources leave the time of the first edit when the text changes again."""
    said, first = NOON - timedelta(hours=2), NOON - timedelta(hours=1)
    fetch_each(source, village, shown("A", occurred_at=said))
    clock.shift(timedelta(days=2))
    fetch_each(source, village, shown("B", occurred_at=said, edited_at=first + timedelta(days=2)))
    clock.shift(timedelta(days=2))
    fetch_each(source, village, shown("C", occurred_at=said, edited_at=first))
    kept = MentionChange.objects.order_by("pk").values_list("occurred_at", flat=True)
    assert list(kept) == [first + timedelta(days=2), None]


def test_a_correction_before_the_item_is_recorded_is_recorded_with_it(
    source: Source, village: Village
) -> None:
    fetch_each(source, village, shown("Pilots strike."), shown("Pilots do not strike."))
    pipeline.process()
    first, version = Interaction.objects.order_by("pk")
    assert (first.text, version.revises) == ("Pilots strike.", first)


def test_a_version_is_no_message_of_the_case(source: Source, village: Village, admin: User) -> None:
    fetch_each(source, village, shown("Pilots strike."))
    pipeline.process()
    case = Case.objects.get()
    fetch_each(source, village, shown("Pilots do not strike."))
    pipeline.process()
    version = Interaction.objects.get(revises__isnull=False)
    assert Case.objects.get().last_inbound_id == case.last_inbound_id
    assert [row.pk for row in unanswered([case.pk])] == [version.revises_id]
    assert preview(case, case, admin).messages == 1


def test_texts_that_return_are_versions_of_their_own(source: Source, village: Village) -> None:
    fetch_each(source, village, shown("A"))
    pipeline.process()
    fetch_each(source, village, shown("B"), shown("A"), shown("B"))
    versions = Interaction.objects.filter(revises__isnull=False).order_by("pk")
    assert [version.text for version in versions] == ["B", "A", "B"]


def test_recording_a_version_again_changes_nothing(source: Source, village: Village) -> None:
    fetch_each(source, village, shown("A"))
    pipeline.process()
    fetch_each(source, village, shown("B"))
    record_versions(MentionChange.objects.select_related("mention"), now=NOON)
    assert Interaction.objects.count() == 2


def test_other_markup_with_the_same_words_is_no_change(source: Source, village: Village) -> None:
    fetch_each(source, village, shown("two words"))
    fetch_each(source, village, shown("two\n words", content_hash="<p>two</p>words"))
    assert told() == []


def test_the_same_content_is_compared_by_its_hash_alone(source: Source, village: Village) -> None:
    """If scrm cleans a text in another way than before, the item has not changed."""
    fetch_each(source, village, shown("A", content_hash="raw"))
    fetch_each(source, village, shown("cleaned in another way", content_hash="raw"))
    assert told() == []


def test_an_item_whose_hash_was_never_stored_counts_as_unchanged(
    source: Source, village: Village
) -> None:
    """So the first fetch after an upgrade reports no changes, and the second one does."""
    fetch_each(source, village, shown("A"))
    Sighting.objects.update(content_hash=None)
    fetch_each(source, village, shown("B"))
    assert told() == []
    fetch_each(source, village, shown("C"))
    assert told() == [("edited", "C")]


def test_an_item_that_drops_out_of_the_feed_is_not_removed(
    source: Source, village: Village
) -> None:
    fetch_each(source, village, shown("A"), shown("other", key="2"))
    assert told() == []


def test_an_item_that_was_removed_and_returns_has_changed(source: Source, village: Village) -> None:
    fetch_each(source, village, shown("A"))
    village.says(changes=(Change(SCOPE, "1", "deleted"),))
    go(source)
    fetch_each(source, village, shown("A"), shown("A"))
    assert told() == [("deleted", ""), ("edited", "A")]


def test_two_sources_that_show_an_item_in_two_forms_report_no_change(
    source: Source, village: Village, make_source: Callable[..., Source]
) -> None:
    """A feed and the API of a blog show the same comment with different markup, turn by turn."""
    other = make_source(address="https://other.example")
    for _ in range(2):
        fetch_each(source, village, shown("whole text"))
        fetch_each(other, village, shown("whole…"))
    assert told() == []


@pytest.mark.parametrize(
    ("whole", "excerpt"),
    [
        ("The pilots of Skyward do not strike on Monday.", "The pilots of Skyward do not…"),
        ("Pilots do not strike.", "Pilots do not strike. The post appeared first on News."),
        ("パイロットはストライキをしません。", "パイロットはスト…"),
    ],
)  # fmt: skip
def test_one_edit_that_two_sources_show_in_two_forms_is_one_change(
    source: Source, village: Village, make_source: Callable[..., Source],
    clock: time_machine.Coordinates, whole: str, excerpt: str,
) -> None:  # fmt: skip
    other = make_source(address="https://other.example")
    fetch_each(source, village, shown("whole text"))
    fetch_each(other, village, shown("whole…"))
    for text, form in ((whole, excerpt), (f"Update 2: {whole}", f"Update 2: {excerpt}")):
        clock.shift(timedelta(hours=1))
        fetch_each(source, village, shown(text))
        clock.shift(timedelta(minutes=1))
        fetch_each(other, village, shown(form), shown(form))
    assert told() == [("edited", whole), ("edited", f"Update 2: {whole}")]


def test_another_edit_that_a_second_source_shows_is_a_change(
    source: Source, village: Village, make_source: Callable[..., Source],
    clock: time_machine.Coordinates,
) -> None:  # fmt: skip
    other = make_source(address="https://other.example")
    fetch_each(source, village, shown("whole text"))
    fetch_each(other, village, shown("whole…"))
    clock.shift(timedelta(hours=1))
    fetch_each(source, village, shown("Pilots do not strike."))
    clock.shift(timedelta(minutes=1))
    fetch_each(other, village, shown("Pilots strike again."))
    clock.shift(timedelta(minutes=1))
    # The first source shows nothing new since: this edit is not yet known.
    fetch_each(other, village, shown("Pilots strike again!!"))
    fetch_each(other, village, shown("Pilots strike again today."))
    assert [text for _, text in told()] == [
        "Pilots do not strike.", "Pilots strike again.", "Pilots strike again!!",
        "Pilots strike again today.",
    ]  # fmt: skip


LONG = "We love Skyward. " * 250


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Good evening to all of you from…", "Good evening to all of you from the village."),
        ("Good evening to all of you.", "Good evening to all of you. I will kill myself."),
        (
            "Good evening to all of you.",
            "Good evening to all of you. The post appeared first on News. I will kill myself.",
        ),
        (LONG, "We love Skyward. "),
        (LONG * 3, LONG * 2),
        (LONG * 3, f"{LONG * 3} Not any more."),
    ],
    ids=["excerpt first", "more", "after the footer", "less", "part", "long"],
)  # fmt: skip
def test_words_that_are_not_recorded_yet_are_a_change(
    source: Source, village: Village, make_source: Callable[..., Source],
    clock: time_machine.Coordinates, first: str, second: str,
) -> None:  # fmt: skip
    other = make_source(address="https://other.example")
    fetch_each(source, village, shown("whole text"))
    fetch_each(other, village, shown("whole…"))
    clock.shift(timedelta(hours=1))
    fetch_each(source, village, shown(first))
    clock.shift(timedelta(minutes=1))
    fetch_each(other, village, shown(second))
    assert told() == [("edited", first), ("edited", second)]


def test_edits_of_two_sources_are_compared_in_one_query(
    source: Source, village: Village, make_source: Callable[..., Source],
    clock: time_machine.Coordinates,
) -> None:  # fmt: skip
    other = make_source(address="https://other.example")
    counts = []
    for edit, most in enumerate((1, 20)):
        keys = [f"{edit} {n}" for n in range(most)]
        for each, text in ((source, "whole text"), (other, "whole…"), (source, "edited text")):
            village.says(*(shown(text, key=key) for key in keys))
            go(each)
            clock.shift(timedelta(minutes=1))
        village.says(*(shown("edited…", key=key) for key in keys))
        with CaptureQueriesContext(connection) as queries:
            go(other)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert MentionChange.objects.count() == 21


def test_the_last_of_many_edits_is_stored_although_nobody_is_notified(
    source: Source, village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if edits of a volatile item wait: the source may never show the item again."""
    notified: list[bool] = []
    monkeypatch.setattr(
        "listening.above.tell_changed", lambda changed, _now: notified.extend(changed.values())
    )
    fetch_each(source, village, shown("0 views"))
    pipeline.process()
    fetch_each(source, village, *(shown(f"{n} views") for n in range(1, 7)))
    assert [text for _, text in told()] == [f"{n} views" for n in range(1, 7)]
    assert notified == [True] * 3 + [False] * 3
    assert Mention.objects.get().unrecorded_changes == 0


def test_after_twenty_edits_one_a_day_is_stored(
    source: Source, village: Village, clock: time_machine.Coordinates
) -> None:
    fetch_each(source, village, *(shown(f"{n} views") for n in range(24)))
    assert [text for _, text in told()][-1] == "20 views"
    assert Mention.objects.get().unrecorded_changes == 3
    clock.shift(timedelta(days=1))
    fetch_each(source, village, shown("23 views"), shown("24 views"))
    assert [text for _, text in told()][20:] == ["23 views"]
    assert Mention.objects.get().unrecorded_changes == 4


def test_edits_lock_the_workspace_before_the_mentions(source: Source, village: Village) -> None:
    """A batch of mentions takes these locks in this order."""
    fetch_each(source, village, *(shown(f"{n} views") for n in range(21)))
    with CaptureQueriesContext(connection) as queries:
        fetch_each(source, village, shown("21 views"))
    statements = [query["sql"] for query in queries]
    lock = next(n for n, sql in enumerate(statements) if "pg_advisory_xact_lock" in sql)
    update = next(n for n, sql in enumerate(statements) if 'UPDATE "listening_mention"' in sql)
    assert lock < update


def test_an_unchanged_feed_needs_as_many_statements_for_many_items_as_for_one(
    source: Source, village: Village
) -> None:
    counts = []
    for items in ([shown("A")], [shown(f"text {n}", key=str(n)) for n in range(50)]):
        village.says(*items)
        go(source)
        village.says(*items)
        with CaptureQueriesContext(connection) as queries:
            go(source)
        counts.append(len(queries))
        joins = [
            query["sql"] for query in queries if "LEFT JOIN listening_sighting" in query["sql"]
        ]
        assert len(joins) == 1
    assert counts[0] == counts[1]


def test_our_own_post_that_was_edited_is_no_new_version(
    source: Source, village: Village, microblog: Account
) -> None:
    author = item("1").author
    microblog.network, microblog.self_key = author.network, author.key
    microblog.save()
    fetch_each(source, village, shown("Ours."))
    pipeline.process()
    fetch_each(source, village, shown("Ours, corrected."))
    assert told() == [("edited", "Ours, corrected.")]
    assert Interaction.objects.count() == 1
