"""No item is skipped, whatever happens between and during the fetches."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scrm.channels.base import Batch, ChannelError
from tests.channels.contract.adapter import Adapter, result_of

EXAMPLES, STEPS = 12, 14
MOST_ITEMS = 450
LAST_FETCHES = 24


class Fetches(RuleBasedStateMachine):
    """Others publish posts while we fetch; some fetches fail, and some are lost before the save.

    expected: the keys of all posts that still exist. seen: the keys of the items of all batches
    whose cursor was stored, because both are stored in one transaction.
    """

    def __init__(self, open_network: Any) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.network: Adapter = self.stack.enter_context(open_network())
        self.cursor: Any = {}
        self.expected: set[str] = set()
        self.seen: set[str] = set()

    @initialize(minutes=st.integers(-10, 10), posts=st.integers(0, 3))
    def begin(self, minutes: int, posts: int) -> None:
        """The clock of the network differs from ours. The first fetch reads the newest posts."""
        self.network.skew(timedelta(minutes=minutes))
        for _ in range(posts):
            self.publish()
        self.store(self.network.listen())

    def publish(self, late: float = 0.0) -> None:
        key = self.network.post_as_other("a letter", late=self.network.latest * late)
        self.expected.add(key)

    def store(self, batch: Batch) -> None:
        self.seen |= {item.key for item in batch.items}
        self.cursor = batch.cursor

    @rule(late=st.floats(0, 1))
    def somebody_posts(self, late: float) -> None:
        self.publish(late)

    @precondition(lambda self: len(self.expected) < MOST_ITEMS)
    @rule(more=st.integers(1, 40), late=st.floats(0, 1))
    def many_post(self, more: int, late: float) -> None:
        """More posts than fit on a page, in an order that is not that of their times."""
        for number in range(min(self.network.page, 120) + more):
            self.publish(late if number % 3 == 0 else 0.0)

    @rule(room=st.sampled_from([None, 0, 7, 33, 200]))
    def we_fetch(self, room: int | None) -> None:
        most = None if room is None else self.network.smallest + room
        self.store(self.network.listen(self.cursor, max_items=most))

    @rule()
    def we_are_killed_before_the_save(self) -> None:
        self.network.listen(self.cursor)

    @rule(skip=st.integers(0, 4))
    def a_fetch_fails(self, skip: int) -> None:
        """A request of the fetch fails. The cursor is stored only if there is one."""
        self.network.fail_next_fetch(skip)
        result = result_of(self.network.listen, self.cursor)
        self.network.heal()
        if not isinstance(result, ChannelError):
            self.store(result)

    @precondition(lambda self: "http" not in self.network.lacks)
    @rule(
        unread=st.sampled_from([0, 130, 230]), skip=st.integers(0, 3), posts=st.integers(0, 30),
        gone=st.integers(0, 5),
    )  # fmt: skip
    def others_act_between_two_pages(self, unread: int, skip: int, posts: int, gone: int) -> None:
        """Others post and delete while we read the pages of a long list."""
        for _ in range(unread if len(self.expected) < MOST_ITEMS else 0):
            self.publish()

        def act() -> None:
            for number in range(posts):
                self.publish(0.7 if number % 2 else 0.0)
            if self.can_delete():
                self.delete(choice=0, posts=gone)

        self.network.wire.fault(skip=skip, before=act)
        self.store(self.network.listen(self.cursor))
        self.network.heal()

    @precondition(lambda self: self.can_delete())
    @rule(choice=st.integers(0, 10_000), posts=st.integers(1, 9))
    def somebody_deletes(self, choice: int, posts: int) -> None:
        self.delete(choice=choice, posts=posts)

    def can_delete(self) -> bool:
        return type(self.network).delete is not Adapter.delete

    def delete(self, *, choice: int, posts: int) -> None:
        """Delete posts that follow one another; the newest ones if `choice` is 0."""
        newest = sorted(self.expected, key=lambda key: (len(key), key), reverse=True)
        first = choice % max(len(newest), 1)
        for key in newest[first : first + posts]:
            self.network.delete(key)
            self.expected.discard(key)

    def teardown(self) -> None:
        """At the end, some more fetches return everything that exists."""
        with self.stack:
            for _ in range(LAST_FETCHES):
                if self.expected <= self.seen:
                    return
                self.store(self.network.listen(self.cursor))
            assert self.expected - self.seen == set()


@pytest.mark.slow
def test_no_item_is_skipped(opened: Any, network_class: type[Adapter]) -> None:
    """Fails if a cursor moves over an item that was never returned."""
    # Each post of the sandbox opens a connection to the database.
    examples = 3 if network_class.needs_database else EXAMPLES
    chosen = settings(max_examples=examples, stateful_step_count=STEPS, deadline=None)
    machines: list[Fetches] = []

    def machine() -> Fetches:
        machines.append(Fetches(opened))
        return machines[-1]

    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[no-untyped-call]
    assert all(each.expected <= each.seen for each in machines)
    assert any(each.seen for each in machines)


@pytest.mark.slow
@pytest.mark.needs("http")
@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_deletion_between_two_pages_skips_no_item(network: Adapter, page: int) -> None:
    """Fails if the pages of a long list do not overlap, where a network counts its rows."""
    if type(network).delete is Adapter.delete:
        pytest.skip("Nothing can be deleted.")
    cursor = network.listen().cursor
    keys = [network.post_as_other("a letter") for _ in range(network.page * 3 + 20)]
    gone = keys[-5:]

    def delete() -> None:
        for key in gone:
            network.delete(key)

    network.wire.fault(skip=page, before=delete)
    found = {item.key for batch in network.fetches(cursor) for item in batch.items}
    assert set(keys) - set(gone) <= found
