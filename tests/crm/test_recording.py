"""Recording items in the ledger.

In whatever order the items arrive, each person gets one profile, each exchange one conversation,
and each item one row.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.ledger import Entry, Recorded, record
from crm.models import Contact, Conversation, Interaction, Profile, ProfileName
from scrm.channels.base import Author
from tests.together import at_once

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
NET = "x"


def by(key: str, **facts: object) -> Author:
    return Author(NET, key, **facts)  # type: ignore[arg-type]


def said(key: str, author: Author | str | None = "anna", **facts: object) -> Entry:
    who = by(author) if isinstance(author, str) else author
    common = {"channel": "feed", "kind": "post", "visibility": "public", "text": f"words {key}"}
    return Entry(scope=NET, key=key, author=who, **{**common, **facts})  # type: ignore[arg-type]


def write(*entries: Entry) -> list[Recorded]:
    return record(entries, now=NOW)


def test_a_stranger_becomes_a_profile_and_their_words_a_row() -> None:
    row = write(said("1", by("anna", handle="@anna", name="Anna", reach=7)))[0]
    profile = Profile.objects.get()
    assert (profile.handle, profile.name, profile.reach) == ("@anna", "Anna", 7)
    assert (row.new, row.profile, row.contact) == (True, profile.pk, None)
    assert Interaction.objects.get().text == "words 1"


def test_results_come_in_the_order_in_which_entries_were_given() -> None:
    late = said("late", occurred_at=NOW)
    early = said("early", occurred_at=NOW - timedelta(hours=1))
    rows = write(late, early)
    keys = [Interaction.objects.get(pk=row.interaction).key for row in rows]
    assert keys == ["late", "early"]
    assert rows[1].interaction < rows[0].interaction


@pytest.mark.parametrize("dated", ["", "both", "answer only", "answer before its parent"])
@pytest.mark.parametrize("order", list(itertools.permutations(["z-post", "m-ours", "a-answer"])))
def test_parent_and_answer_may_come_in_one_batch_in_any_order(
    order: Sequence[str], dated: str
) -> None:
    """A message and our answer are recorded in one conversation, whatever their order.

    Another person who replies to our answer has a conversation of their own. Fails if entries are
    sorted only by time and key, because a message without a date is then recorded after our answer.
    """
    moments = {
        "": (None, None),
        "both": (NOW - timedelta(minutes=2), NOW),
        "answer only": (None, NOW),
        "answer before its parent": (NOW, NOW - timedelta(minutes=2)),
    }
    asked, answered = moments[dated]
    entries = {
        "z-post": said("z-post", "anna", occurred_at=asked),
        "m-ours": said("m-ours", None, direction="out", in_reply_to="z-post", occurred_at=asked),
        "a-answer": said("a-answer", "ben", in_reply_to="m-ours", occurred_at=answered),
    }
    rows = write(*(entries[key] for key in order))
    place = {key: row.conversation for key, row in zip(order, rows, strict=True)}
    assert place["z-post"] == place["m-ours"] != place["a-answer"]
    assert Conversation.objects.count() == 2


def test_what_we_said_to_somebody_in_the_same_batch_is_on_their_timeline() -> None:
    post, ours = write(
        said("1", "anna"), said("2", None, direction="out", in_reply_to="1", kind="reply")
    )
    assert ours.profile == post.profile


def test_answers_that_answer_each_other_in_a_circle_are_written_all_the_same() -> None:
    write(said("1", in_reply_to="2"), said("2", "ben", in_reply_to="1"), said("3", in_reply_to="3"))
    assert Interaction.objects.count() == 3


def test_a_thread_of_a_thousand_answers_is_written_in_its_order() -> None:
    thread = [said(f"{n:04}", in_reply_to=f"{n - 1:04}" if n else "") for n in range(1000)]
    write(*reversed(thread))
    rows = Interaction.objects.order_by("pk").values_list("key", flat=True)
    assert list(rows) == [entry.key for entry in thread]


def test_the_same_entry_twice_is_written_once() -> None:
    """If the same entry is recorded twice, the ledger contains it once.

    Fails if each entry counts as new.
    """
    first = write(said("1"), said("1"))
    again = write(said("1"))
    assert [row.interaction for row in first] == [again[0].interaction] * 2
    assert (first[0].new, again[0].new) == (True, False)
    assert Interaction.objects.count() == 1


def test_what_stands_in_the_ledger_already_opens_no_second_conversation() -> None:
    """An entry that is already in the ledger creates no second conversation.

    Fails if the conversation is created before the code notices that the entry is known.
    """
    talk = write(said("1"))[0].conversation
    ours = said("2", None, direction="out")
    write(Entry(**{name: getattr(ours, name) for name in ours.__slots__} | {"conversation": talk}))
    heard = write(ours)[0]
    assert heard.conversation == talk
    assert Conversation.objects.count() == 1


def test_the_same_words_under_another_scope_are_another_thing() -> None:
    write(said("1"))
    elsewhere = Entry("y", "1", by("anna"), "feed", "post", "public", "words 1")
    assert write(elsewhere)[0].new


def test_a_former_handle_and_name_are_kept() -> None:
    write(said("1", by("anna", handle="@anna", name="Anna")))
    write(said("2", by("anna", handle="@anna_k", name="Anna K")))
    profile, past = Profile.objects.get(), ProfileName.objects.get()
    assert (profile.handle, profile.name) == ("@anna_k", "Anna K")
    assert (past.profile, past.handle, past.name, past.until) == (profile, "@anna", "Anna", NOW)


def test_what_an_author_leaves_blank_does_not_wipe_out_what_we_knew() -> None:
    write(said("1", by("anna", handle="@anna", name="Anna", url="https://x.example/a", reach=7)))
    write(said("2", by("anna")))
    profile = Profile.objects.get()
    assert (profile.handle, profile.name, profile.reach) == ("@anna", "Anna", 7)
    assert profile.url == "https://x.example/a"
    assert not ProfileName.objects.exists()


def test_a_reach_beyond_all_numbers_is_only_a_very_large_one() -> None:
    write(said("1", by("anna", reach=2**70)), said("2", by("ben", reach=-5)))
    assert set(Profile.objects.values_list("reach", flat=True)) == {2**62, 0}


def test_who_a_profile_is_known_to_be_comes_back_with_the_row() -> None:
    write(said("1"))
    carol = Contact.objects.create(name="Carol", kind="press")
    Profile.objects.get().link_to(carol, by=None, evidence="said so")
    row = write(said("2"))[0]
    assert (row.contact, row.contact_kind) == (carol.pk, "press")


def test_statements_do_not_depend_on_the_number_of_entries() -> None:
    """The number of SQL statements does not depend on the number of entries.

    Fails if each profile is looked up separately.
    """
    counts = []
    for size in (10, 100, 500):
        entries = [said(f"{size}-{n}", f"{size}-{n // 2}") for n in range(size)]
        with CaptureQueriesContext(connection) as statements:
            write(*entries)
        counts.append(len(statements))
    assert counts[0] == counts[1] == counts[2]
    assert counts[0] < 12


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_about_one_person_make_one_profile_and_one_conversation() -> None:
    """Guarantee G4 (docs/guarantees.md): twenty threads record entries of one person.

    Although they run at the same time, they create only one profile and one conversation. Fails
    without `lock_workspace`: two threads then insert the same row, and the second gets an error.
    """
    entries = [said(str(n % 5), visibility="private", thread_key="t") for n in range(20)]
    rows = at_once(*(lambda entry=entry: write(entry)[0] for entry in entries))
    assert Profile.objects.count() == Conversation.objects.count() == 1
    assert Interaction.objects.count() == 5 == sum(row.new for row in rows)
    assert {row.profile for row in rows} == {Profile.objects.get().pk}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_batches_with_the_same_20000_people_in_opposite_order_do_not_deadlock() -> None:
    """Guarantee G4 (docs/guarantees.md): two batches with the same people do not deadlock.

    Fails without `lock_workspace`, because both transactions then insert the same rows in opposite
    order and wait for each other.
    """
    entries = [said(f"k{n}", f"p{n}") for n in range(20_000)]
    rows = at_once(lambda: write(*entries), lambda: write(*reversed(entries)))
    assert Profile.objects.count() == Interaction.objects.count() == 20_000
    assert sum(row.new for row in rows[0]) in {0, 20_000}
    assert sum(row.new for each in rows for row in each) == 20_000
