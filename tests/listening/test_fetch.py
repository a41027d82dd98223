"""Fetches of a source: a worker claims the source, gets its items and stores the result.

The items are requested outside any transaction. Items and cursor are stored together or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext

from crm.models import Attachment
from listening.fetch import fetch_source
from listening.models import Enclosure, Fetch, Mention, Quarantined, Seen, Sighting, Source
from listening.models.seen import Place, SeenManager
from scrm.channels.base import Author, Batch, ChannelError, FetchRequest, File, Item, UnreadableItem
from scrm.channels.channel import Channel
from tests.together import at_once

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SCOPE = "feed:blog.example"
HOUR = timedelta(hours=1)


class Village:
    """A fake channel that returns prepared batches in order and records the requests."""

    def __init__(self) -> None:
        self.answers: list[Batch | Exception | Callable[[], Batch]] = []
        self.requests: list[FetchRequest] = []

    def says(self, *items: Item, **facts: Any) -> None:
        self.answers.append(Batch(items=items, cursor={"seq": len(self.answers) + 1}, **facts))

    def listen(self, request: FetchRequest) -> Batch:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def discover(self, address: str, credentials: object = None) -> list[Any]:
        return []


@pytest.fixture
def village(monkeypatch: pytest.MonkeyPatch) -> Village:
    village = Village()
    channel = Channel(kind="feed", label="Feed", listener=village)
    monkeypatch.setattr("listening.models.source.channel", lambda _kind: channel)
    return village


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    return make_source(created_at=NOON - timedelta(days=2))


def item(key: str, **facts: Any) -> Item:
    author = Author("feed", "blog.example#Anna", name="Anna")
    common = {"text": f"words {key}", "occurred_at": NOON, "raw": f"raw {key}".encode()}
    return Item(**{"scope": SCOPE, "key": key, "author": author, **common, **facts})


def go(source: Source) -> Fetch | None:
    """Make the source due, fetch the source, and return the fetch."""
    Source.objects.filter(pk=source.pk).update(next_fetch_at=NOON - HOUR)
    done = fetch_source(Source.objects.get(pk=source.pk))
    source.refresh_from_db()
    return done


def stored() -> set[str]:
    return set(Mention.objects.values_list("key", flat=True))


# Stored items


def test_items_and_cursor_are_stored_together(source: Source, village: Village) -> None:
    village.says(item("1"), item("2"), size=77)
    fetch = go(source)
    assert fetch
    assert (fetch.outcome, fetch.found, fetch.new, fetch.size) == ("ok", 2, 2, 77)
    assert stored() == {"1", "2"}
    assert source.cursor == {"seq": 1}
    assert source.next_fetch_at == NOON + timedelta(seconds=source.rhythm)
    assert source.lease_until is None
    assert Sighting.objects.filter(source=source, fetch=fetch).count() == 2


def test_the_next_visit_starts_where_the_last_ended(source: Source, village: Village) -> None:
    """A fetch starts at the cursor at which the last fetch ended.

    Fails if the cursor is not stored.
    """
    village.says(item("1"))
    village.says(item("2"))
    go(source)
    go(source)
    assert [seen.cursor for seen in village.requests] == [{}, {"seq": 1}]


def test_nothing_new_is_said_to_be_nothing_new(source: Source, village: Village) -> None:
    village.says(unchanged=True)
    fetch = go(source)
    assert fetch
    assert fetch.outcome == "unchanged"
    assert source.last_ok_at == NOON


def test_a_network_that_asks_us_to_stay_away_is_obeyed(source: Source, village: Village) -> None:
    village.says(next_after=7200)
    go(source)
    assert source.next_fetch_at == NOON + 2 * HOUR


def test_in_its_first_day_a_source_is_visited_within_a_minute(
    source: Source, village: Village
) -> None:
    """During its first day, a source is fetched at least every minute.

    Fails if only the interval of the source counts, because a user who adds a source then waits
    five minutes for its first items.
    """
    source.created_at = NOON - timedelta(hours=23)
    source.save()
    village.says(item("1"))
    go(source)
    assert source.next_fetch_at == NOON + timedelta(seconds=45)


def test_a_network_may_ask_for_peace_on_the_first_day_too(source: Source, village: Village) -> None:
    source.created_at = NOON
    source.save()
    village.says(next_after=7200)
    go(source)
    assert source.next_fetch_at == NOON + 2 * HOUR


def test_an_item_twice_in_one_batch_is_one_mention(source: Source, village: Village) -> None:
    """If an item occurs twice in one batch, one mention is stored.

    Fails only if both are missing: the removal of duplicate keys, and the halving of a batch after
    an error.
    """
    village.says(item("1"), item("1"))
    go(source)
    assert stored() == {"1"}


def test_an_old_entry_that_is_listed_again_never_comes_back_as_new(
    source: Source, village: Village
) -> None:
    """An old entry never counts as new when the feed lists it again.

    The row of the entry in the table Seen is kept even if the mention is deleted. Fails if every
    listed item counts as new.
    """
    Seen.objects.claim({(SCOPE, "old")})
    village.says(item("old"), item("new"))
    fetch = go(source)
    assert fetch
    assert fetch.new == 1
    assert stored() == {"new"}


def test_statements_do_not_depend_on_the_number_of_items(source: Source, village: Village) -> None:
    """The number of SQL statements does not depend on the number of items.

    Fails if `Seen.claim` is called for each item.
    """
    counts = []
    for size in (10, 100, 500):
        village.says(*(item(f"{size}-{n}") for n in range(size)))
        with CaptureQueriesContext(connection) as statements:
            go(source)
        counts.append(len(statements))
    assert counts[0] == counts[1] == counts[2]


# Crashes (guarantee G3)


class PowerCut(BaseException):
    """An exception that simulates SIGKILL, because no code catches it."""


def test_dying_between_fetch_and_store_loses_nothing(
    source: Source, village: Village, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the worker dies after it got the items but before it stored them, no item is lost.

    Fails if the cursor is stored before the items, because the items are then lost.
    """

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    village.says(item("1"))
    with monkeypatch.context() as patched:
        patched.setattr("listening.fetch._keep", cut)
        with pytest.raises(PowerCut):
            go(source)
    source.refresh_from_db()
    assert source.cursor == {}
    assert go(source) is None, "its lease still runs"
    clock.shift(HOUR)
    village.says(item("1"))
    assert go(source)
    assert stored() == {"1"}
    assert village.requests[1].cursor == {}
    outcomes = Fetch.objects.order_by("pk").values_list("outcome", "error")
    assert list(outcomes) == [("failed", "This fetch ended without a result."), ("ok", "")]


def test_what_breaks_while_storing_leaves_neither_items_nor_cursor(
    source: Source, village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If storing fails with an error, neither items nor cursor are stored.

    Fails without the transaction around `_keep`, because then only the items or only the cursor are
    stored.
    """

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("disk on fire")

    village.says(item("1"))
    village.says(item("1"))
    with monkeypatch.context() as patched:
        patched.setattr(Source, "record_success", broken)
        fetch = go(source)
    assert fetch
    assert (fetch.outcome, source.cursor, stored()) == ("failed", {}, set())
    assert "disk on fire" in source.error
    go(source)
    assert stored() == {"1"}


def test_only_one_of_two_pollers_visits(source: Source) -> None:
    """A source that one worker is fetching cannot be claimed by a second worker.

    Fails if `due` ignores the lease of the first worker.
    """
    assert source.start_fetch(now=NOON)
    again = Source.objects.get(pk=source.pk)
    assert again.start_fetch(now=NOON) is None


@pytest.mark.django_db(transaction=True)
def test_only_one_of_eight_pollers_at_once_visits(source: Source, village: Village) -> None:
    """Guarantees G3 and G8 (docs/guarantees.md): of eight workers, only one fetches a source.

    All eight start at the same time. Fails if `due` ignores the lease, because several workers then
    fetch the source.
    """
    village.answers = [Batch(items=(item("1"),))] * 8
    done = at_once(*(lambda: fetch_source(Source.objects.get(pk=source.pk)) for _ in range(8)))
    assert len([fetch for fetch in done if fetch]) == 1
    assert len(village.requests) == 1
    assert Fetch.objects.count() == Mention.objects.count() == 1


def test_a_poller_that_wakes_after_its_lease_changes_nothing(
    source: Source, village: Village, clock: Any
) -> None:
    """A worker that gets its items only after its lease lapsed stores nothing.

    Fails without the fence, because the worker then overwrites the newer cursor.
    """

    def overslept() -> Batch:
        clock.shift(HOUR)
        village.says(item("new"))
        go(source)
        village.answers.clear()
        return Batch(items=(item("late"),), cursor={"seq": "late"})

    village.answers = [overslept]
    fetch = go(source)
    assert fetch
    assert (fetch.outcome, fetch.new) == ("discarded", 0)
    assert stored() == {"new"}
    assert source.cursor != {"seq": "late"}


def test_a_failure_that_wakes_after_its_lease_changes_nothing(
    source: Source, village: Village, clock: Any
) -> None:
    """A worker that gets an error only after its lease lapsed stores nothing.

    Fails without the fence, because the worker then overwrites the result of the newer fetch with
    this error.
    """

    def overslept() -> Batch:
        clock.shift(HOUR)
        village.says(item("new"))
        go(source)
        raise ChannelError("too late to matter")

    village.answers = [overslept]
    go(source)
    assert (source.error, source.failures) == ("", 0)
    assert stored() == {"new"}


# Order of the sources


def test_the_one_that_has_been_due_longest_is_next(
    make_source: Callable[..., Source], village: Village
) -> None:
    """The source that has been due longest is fetched first, whatever its name or id.

    Fails if sources are ordered by name.
    """
    for name, hours in (("b", 1), ("a", 2), ("d", 3), ("c", 4)):
        make_source(address=name, next_fetch_at=NOON - hours * HOUR)
    make_source(address="later", next_fetch_at=NOON + HOUR)
    make_source(address="paused", next_fetch_at=NOON - 9 * HOUR, is_active=False)
    village.answers = [Batch()] * 4
    visited = [fetch_source() for _ in range(5)]
    assert [fetch.source.name for fetch in visited if fetch] == ["c", "d", "a", "b"]
    assert visited[-1] is None


def test_what_always_kills_its_worker_keeps_nobody_waiting(
    make_source: Callable[..., Source], village: Village, clock: Any
) -> None:
    """A source that kills every worker does not delay the other sources.

    Fails if the claim does not change the time at which the source is due, because the same source
    then always comes first.
    """
    make_source(address="killer", next_fetch_at=NOON - 9 * HOUR)
    make_source(address="waits", next_fetch_at=NOON - HOUR)
    assert Source.objects.start_fetch(now=datetime.now(UTC)).source.name == "killer"  # killed here
    clock.shift(HOUR)
    village.answers = [Batch()]
    assert fetch_source().source.name == "waits"
    assert Source.objects.start_fetch(now=datetime.now(UTC)).source.name == "killer"
    assert Source.objects.get(name="killer").fetches.filter(outcome="failed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_pollers_at_once_take_one_source_each(
    make_source: Callable[..., Source], village: Village
) -> None:
    """Workers that look for a due source at the same moment get different sources.

    Fails without a lock, because all workers then take the first source.
    """
    for number in range(8):
        make_source(address=str(number), next_fetch_at=NOON - HOUR)
    village.answers = [Batch()] * 8
    done = at_once(*[lambda: fetch_source()] * 8)
    assert {fetch.source.name for fetch in done if fetch} == {str(number) for number in range(8)}


# Errors


def test_an_error_becomes_a_health_line_and_keeps_the_cursor(
    source: Source, village: Village
) -> None:
    village.says(item("1"))
    go(source)
    village.answers.append(ChannelError("blog.example does not answer."))
    fetch = go(source)
    assert fetch
    assert (fetch.outcome, fetch.error) == ("failed", "blog.example does not answer.")
    assert (source.error, source.failures) == ("blog.example does not answer.", 1)
    assert (source.cursor, source.last_ok_at) == ({"seq": 1}, NOON)
    village.says()
    go(source)
    assert (source.error, source.failures) == ("", 0)


def test_the_pause_doubles_up_to_six_hours(source: Source, village: Village) -> None:
    pauses = []
    for _ in range(12):
        village.answers.append(ChannelError("no"))
        go(source)
        pauses.append((source.next_fetch_at - NOON).total_seconds())
    assert pauses[:6] == [600, 1200, 2400, 4800, 9600, 19200]
    assert set(pauses[6:]) == {6 * 3600}


@pytest.mark.parametrize(("asked", "pause"), [(3600, 3600), (1, 300), (10**9, 24 * 3600)])
def test_retry_after_is_honoured_within_reason(
    source: Source, village: Village, asked: float, pause: float
) -> None:
    village.answers.append(ChannelError("busy", retry_after=asked))
    go(source)
    assert source.next_fetch_at == NOON + timedelta(seconds=pause)


def test_what_is_wrong_for_good_is_tried_again_only_after_hours(
    source: Source, village: Village
) -> None:
    village.answers.append(ChannelError("gone", permanent=True))
    go(source)
    assert source.next_fetch_at == NOON + 6 * HOUR


def test_a_broken_listener_stops_only_itself(
    make_source: Callable[..., Source], village: Village
) -> None:
    """If the listener of one source has a programming error, other sources are still fetched.

    Fails if the fetch handles only ChannelError.
    """
    broken, sound = (
        make_source(address="https://a.example"),
        make_source(address="https://b.example"),
    )
    village.answers.append(RuntimeError("off by one"))
    village.says(item("1"))
    go(broken)
    go(sound)
    assert "off by one" in broken.error
    assert broken.failures == 1
    assert stored() == {"1"}


def test_a_channel_that_cannot_listen_says_so(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = Channel(kind="manual", label="Logged manually")
    monkeypatch.setattr("listening.models.source.channel", lambda _kind: deaf)
    go(source)
    assert source.error == "Logged manually cannot be listened to."


# Bad items (guarantee G5)


def test_nul_and_lone_surrogates_are_gone_before_they_reach_the_database(
    source: Source, village: Village
) -> None:
    """NUL characters and lone surrogates are removed from items before they are stored.

    Fails without `storable`, because PostgreSQL cannot store these characters.
    """
    author = Author("feed", "a\0b", name="An\ud800na")
    village.says(item("1\0", text="a\0b\udfffc", title="\ud83d", author=author))
    fetch = go(source)
    assert fetch
    assert (fetch.new, fetch.quarantined) == (1, 0)
    mention = Mention.objects.get()
    assert (mention.key, mention.text, mention.title) == ("1", "abc", "")
    assert (mention.author_key, mention.author_name) == ("ab", "Anna")


def poison(key: str) -> Item:
    return item(key, author=Author("feed", "x", reach=2**70), raw=b"\x00poison\xff")


@pytest.mark.parametrize("bad", [{0}, {99}, {50, 51}, {3, 40, 77}])
def test_a_poison_item_is_quarantined_and_the_others_are_stored(
    source: Source, village: Village, bad: set[int]
) -> None:
    """If storing an item fails, the item is quarantined, and the rest of the batch is stored.

    Fails if a batch with an error is not halved, because then one bad item prevents the storing of
    the whole batch.
    """
    village.says(*(poison(f"{n:03}") if n in bad else item(f"{n:03}") for n in range(100)))
    fetch = go(source)
    assert fetch
    assert (fetch.outcome, fetch.new, fetch.quarantined) == ("ok", 100 - len(bad), len(bad))
    assert stored() == {f"{n:03}" for n in range(100) if n not in bad}
    for quarantined in Quarantined.objects.all():
        assert bytes(quarantined.raw) == b"\x00poison\xff"
        assert "out of range" in quarantined.reason
    assert source.cursor == {"seq": 1}


def test_a_key_too_large_for_its_index_is_quarantined_too(source: Source, village: Village) -> None:
    """An item whose key is too large for the index is quarantined.

    PostgreSQL reports this as an operational error. Fails if this error counts as a failure of the
    database, because the source then stops.
    """
    vast = "".join(chr(0x10000 + n * 977 % 0xF0000) for n in range(400))
    village.says(item(vast, scope=vast[::-1]), item("1"))
    fetch = go(source)
    assert fetch
    assert (fetch.outcome, fetch.new, fetch.quarantined) == ("ok", 1, 1)
    assert stored() == {"1"}


def test_what_a_listener_could_not_read_is_kept_with_its_bytes(
    source: Source, village: Village
) -> None:
    """An item that the listener of the channel could not parse is quarantined with its raw bytes.

    Fails if `_keep` ignores such items.
    """
    village.says(item("1"), unreadable=(UnreadableItem(b"<entry", "no end"),))
    fetch = go(source)
    assert fetch
    assert (fetch.new, fetch.quarantined) == (1, 1)
    quarantined = Quarantined.objects.get()
    assert (bytes(quarantined.raw), quarantined.reason) == (b"<entry", "no end")


EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=EAST),
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=WEST),
        datetime(2999, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, tzinfo=WEST),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_an_absurd_date_breaks_nothing(
    source: Source, village: Village, moment: datetime, zone: str, settings: Any
) -> None:
    """An item with a date at the limits of the calendar is stored with a date that can be used.

    Fails if dates are stored unchanged: for example, a date in year 1 at UTC+14 is before year 1 in
    UTC.
    """
    settings.TIME_ZONE = zone
    village.says(item("absurd", occurred_at=moment), item("1"))
    fetch = go(source)
    assert fetch
    assert (fetch.new, fetch.quarantined) == (2, 0)
    mention = Mention.objects.get(key="absurd")
    assert mention.occurred_at
    assert abs(mention.occurred_at - moment) < timedelta(days=4)
    assert mention.sort_at == min(mention.occurred_at, NOON)
    page = Template("{{ m.occurred_at|date:'c' }} {{ m.sort_at|date:'Y-m-d H:i' }}")
    assert page.render(Context({"m": mention}))
    assert len(Mention.objects.claim_batch(now=NOON, lease=HOUR)) == 2


# Items from before the source was added


def test_what_is_older_than_a_day_when_a_source_is_added_is_backlog(
    source: Source, village: Village
) -> None:
    village.says(
        item("old", occurred_at=source.created_at - timedelta(hours=25)),
        item("fresh", occurred_at=source.created_at - timedelta(hours=23)),
        item("undated", occurred_at=None),
        item("ahead", occurred_at=source.created_at + 9 * HOUR),
    )
    go(source)
    old = Mention.objects.filter(backlog=True).values_list("key", flat=True)
    assert set(old) == {"old", "undated"}


def test_what_has_no_date_is_new_once_we_have_been_there(source: Source, village: Village) -> None:
    village.answers.append(ChannelError("not yet"))
    village.says(item("listed at first", occurred_at=None))
    village.says(item("later", occurred_at=None))
    for _ in range(3):
        go(source)
    assert dict(Mention.objects.values_list("key", "backlog")) == {
        "listed at first": True,
        "later": False,
    }


def test_backlog_is_brought_in_on_demand(source: Source, village: Village) -> None:
    village.says(item("old", occurred_at=NOON - timedelta(days=9)), item("fresh"))
    go(source)
    Mention.objects.update(processed_at=NOON, attempt=1)
    assert Mention.objects.backlog_of(source).bring_in() == 1
    assert [mention.key for mention in Mention.objects.due(NOON)] == ["old"]


# The same item in two sources


def test_a_second_source_sights_the_same_mention(
    make_source: Callable[..., Source], village: Village
) -> None:
    """If a second source finds the same item, a sighting is added to the existing mention.

    The third fetch finds the item in the second source again, and adds no sighting. The code has
    two protections against a second sighting: the look-up of earlier sightings, and ON CONFLICT.
    Fails only if both are removed, because the third fetch then quarantines the item.
    """
    one, two = make_source(address="https://a.example"), make_source(address="https://b.example")
    for source in (one, two, two):
        village.says(item("1"))
        go(source)
    assert Mention.objects.count() == 1
    assert set(Sighting.objects.values_list("source", flat=True)) == {one.pk, two.pk}
    assert Sighting.objects.count() == 2
    assert not Quarantined.objects.exists()


def test_what_turns_out_to_be_meant_for_us_is_looked_at_again(
    make_source: Callable[..., Source], village: Village
) -> None:
    """A mention is processed again if a source that is addressed to us also finds it.

    Fails if the mention is not processed again, or if its number of attempts is not reset, because
    the mention could then be quarantined.
    """
    talk, ours = make_source(), make_source(address="https://ours.example", stance="for us")
    for source in (talk, ours):
        village.says(item("1"))
        go(source)
        if source is talk:
            assert not Mention.objects.due(NOON).exclude(processed_at=None).exists()
            Mention.objects.update(processed_at=NOON, attempt=4)
    mention = Mention.objects.get()
    assert (mention.processed_at, mention.attempt) == (None, 0)


def test_what_is_being_worked_on_is_left_to_its_worker(
    make_source: Callable[..., Source], village: Village
) -> None:
    """A mention that a worker is processing is not made due again if another source finds it.

    Fails if the attempts of the mention are reset.
    """
    talk, ours = make_source(), make_source(address="https://ours.example", stance="for us")
    village.says(item("1"))
    go(talk)
    Mention.objects.claim_batch(now=NOON, lease=HOUR)
    village.says(item("1"))
    go(ours)
    assert Mention.objects.get().attempt == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_20000_keys_in_opposite_order_do_not_deadlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guarantee G4 (docs/guarantees.md): two fetches with the same keys do not deadlock.

    Fails with a deadlock if `Seen.claim` does not sort the keys.
    """
    keys = [(SCOPE, f"k{n}") for n in range(20_000)]
    gate = Barrier(2)

    def nothing_known_to_either(*_: object) -> set[object]:
        gate.wait(30)
        return set()

    monkeypatch.setattr(SeenManager, "_known", nothing_known_to_either)
    claimed = at_once(
        lambda: Seen.objects.claim(dict.fromkeys(keys).keys()),
        lambda: Seen.objects.claim(dict.fromkeys(reversed(keys)).keys()),
    )
    assert claimed[0].isdisjoint(claimed[1])
    assert claimed[0] | claimed[1] == set(keys)
    assert Seen.objects.count() == 20_000


@pytest.mark.django_db(transaction=True)
def test_two_visits_whose_chunks_overlap_do_not_deadlock(
    make_source: Callable[..., Source], village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two fetches that have some of their keys in common do not deadlock.

    Fails with a deadlock if the keys of each chunk are written in the order of their hashes.
    """
    items = [item(f"{n:03}") for n in range(600)]
    first_stored, claim = Event(), SeenManager.claim

    def in_turn(manager: SeenManager, places: set[Place], known: set[Place]) -> set[Place]:
        if (SCOPE, "000") not in places:
            first_stored.wait(30)
            return claim(manager, places, known)
        fresh = claim(manager, places, known)
        first_stored.set()
        time.sleep(0.5)  # from here on, the other fetch has to wait for these rows
        return fresh

    monkeypatch.setattr(SeenManager, "claim", in_turn)
    monkeypatch.setattr("listening.fetch._CHUNK", 200)
    sources = [make_source(address=f"https://{n}.example") for n in range(2)]
    village.answers = [Batch(items=tuple(items)), Batch(items=tuple(items[100:]))]
    at_once(*(lambda source=source: fetch_source(source) for source in sources))
    assert list(Fetch.objects.values_list("outcome", "error")) == [("ok", "")] * 2
    assert Mention.objects.count() == 600


# Attachments


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def letter(key: str = "1") -> Item:
    return item(key, attachments=(File("voucher.png", "image/png", b"voucher"),))


def on_disk(media: Path) -> set[str]:
    return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}


def test_a_file_is_stored_once_however_often_its_letter_is_found(
    village: Village, source: Source, media: Path
) -> None:
    for _ in range(2):
        village.says(letter())
        go(source)
    kept = Attachment.objects.get()
    assert kept.enclosure.mention.key == "1"
    assert on_disk(media) == {kept.file.name}


def test_a_visit_that_came_to_nothing_leaves_no_file_without_a_row(
    village: Village, source: Source, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a fetch fails after it has stored a file, the attachment row of the file is kept.

    The cleanup of unused files needs this row to find the file. Fails if files are stored in the
    transaction of the fetch.
    """
    monkeypatch.setattr("listening.fetch.record_sightings", lambda *_: 1 / 0)
    village.says(letter())
    done = go(source)
    assert done
    assert done.outcome == "failed"
    assert not Mention.objects.exists()
    left = Attachment.objects.get()
    assert on_disk(media) == {left.file.name}
    assert not Enclosure.objects.exists()


def test_a_letter_that_the_database_refuses_takes_no_file_of_the_others_with_it(
    village: Village, source: Source, media: Path
) -> None:
    village.says(letter("1"), item("2", kind="x" * 500), letter("3"))
    go(source)
    assert Quarantined.objects.count() == 1
    kept = Enclosure.objects.order_by("mention__key")
    assert [each.mention.key for each in kept] == ["1", "3"]
    assert on_disk(media) == {each.attachment.file.name for each in kept}
