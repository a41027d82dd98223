"""What a channel returns: our own posts, changes, and strings that can be stored."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from scrm.channels.base import Change, ChannelError
from scrm.text.clean import storable
from tests.channels.contract.adapter import Adapter, public, reply_to

MOST_SECONDS = 6.0
LENGTH = 200_000
HOSTILE = {
    "NUL and surrogates": "\x00\ud800\udfff" * (LENGTH // 3),
    "mentions": "@acme" * (LENGTH // 5),
    "at signs": "@" * LENGTH,
    "links": "https://x.example/" * (LENGTH // 18),
    "half links": "http://" * (LENGTH // 7),
    "tags": "<b" * (LENGTH // 2),
    "entities": "&#" * (LENGTH // 2),
    "spaces": " \n" * (LENGTH // 2) + ".",
    "joined emoji": "\U0001f469\u200d" * (LENGTH // 2),
    "marks": "e" + "\u0301" * LENGTH,
    "brackets": "[" * LENGTH,
    "quotation marks": "\"'" * (LENGTH // 2),
}


def strings(facts: Any) -> Iterator[str]:
    """Yield all strings of an item, a change, a found address or a list of them."""
    if isinstance(facts, str):
        yield facts
    elif is_dataclass(facts):
        for each in fields(facts):
            yield from strings(getattr(facts, each.name))
    elif isinstance(facts, list | tuple):
        for each in facts:
            yield from strings(each)
    elif isinstance(facts, dict):
        yield from strings([*facts, *facts.values()])


def check_storable(facts: Any) -> None:
    for text in strings(facts):
        assert "\x00" not in text
        text.encode()  # raises UnicodeEncodeError for a lone surrogate


@pytest.mark.needs("speak")
def test_our_own_posts_carry_our_key(network: Adapter) -> None:
    """Fails if a reply to us is not recognised, because our post has another author or key."""
    network.post_as_other("a letter")
    texts = [public("A letter of ours."), reply_to(network.heard()[0], "A letter in reply.")]
    receipts = [network.send(outgoing) for outgoing in texts]
    items = {item.key: item for item in network.heard(network.own_address)}
    for receipt in receipts:
        item = items[receipt.key]
        assert (item.author.key, item.author.network) == (network.us.self_key, network.us.network)
        assert (item.scope, item.thread_key) == (receipt.scope, receipt.thread_key)
    others = [item for item in items.values() if item.key not in {r.key for r in receipts}]
    if others and network.kind != "wordpress":  # the other post of the blog is ours
        assert {item.author.key == network.us.self_key for item in others} == {False}


@pytest.mark.needs("speak")
def test_an_answer_of_ours_is_in_the_thread_of_the_item(network: Adapter) -> None:
    network.post_as_other("a letter")
    answered = network.heard()[0]
    receipt = network.send(reply_to(answered, "A letter in reply."))
    threads = network.channel.threads
    if threads is None:
        pytest.skip("The channel has no thread reader.")
    found = {item.key: item for item in threads.thread(network.us, answered.key)}
    assert found[receipt.key].in_reply_to == answered.key
    assert found[receipt.key].author.key == network.us.self_key


def changes(network: Adapter, cursor: Any) -> tuple[list[Change], Any]:
    """Return the changes of the next three fetches, and the next cursor."""
    found: list[Change] = []
    for _ in range(3):
        batch = network.listen(cursor)
        found += batch.changes
        cursor = batch.cursor
    return found, cursor


@pytest.mark.needs("edits")
def test_an_edit_is_reported_with_the_first_key(network: Adapter) -> None:
    """Fails if an edited post appears as a new item or not at all, also after a second edit."""
    key = network.post_as_other("the first version")
    batch = network.listen()
    assert [item.key for item in batch.items] == [key]
    network.edit(key, "the second version")
    found, _ = changes(network, batch.cursor)
    assert {(change.kind, change.key) for change in found} == {("edited", key)}
    assert "the second version" in found[-1].text
    assert found[-1].scope == batch.items[0].scope


@pytest.mark.needs("deletions")
def test_a_deletion_is_reported_once_with_the_first_key(network: Adapter) -> None:
    key, kept = network.post_as_other("to be deleted"), network.post_as_other("to be kept")
    batch = network.listen()
    assert {item.key for item in batch.items} >= {key, kept}
    network.delete(key)
    network.wait_for_deletions()
    found, _ = changes(network, batch.cursor)
    assert [(change.kind, change.key, change.text) for change in found] == [("deleted", key, "")]


@pytest.mark.slow
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_items_are_storable_and_cheap(network: Adapter, what: str) -> None:
    """Fails if an item of a stranger stops a source: by its signs, or by the time it takes."""
    network.post_as_other(HOSTILE[what])
    key = network.post_as_other("an ordinary post")
    started = time.thread_time()
    batch = network.listen()
    listener = network.channel.listener
    assert listener
    found = listener.discover(network.us.address, network.us)
    assert time.thread_time() - started < MOST_SECONDS
    assert key in {item.key for item in batch.items}
    check_storable([batch.items, batch.changes, found])
    json.dumps(batch.cursor)


@pytest.mark.slow
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_addresses_are_refused_or_harmless(network: Adapter, what: str) -> None:
    """Fails if a typed address causes another error than ChannelError, or takes long."""
    listener = network.channel.listener
    assert listener
    started = time.thread_time()
    for typed in (HOSTILE[what], f"search:{HOSTILE[what]}", f"#{HOSTILE[what]}"):
        try:
            check_storable(listener.discover(typed, network.us))
        except ChannelError as error:
            check_storable(error.message)
        try:
            network.listen(address=storable(typed))  # as the database stores it
        except ChannelError as error:
            check_storable(error.message)
    assert time.thread_time() - started < MOST_SECONDS
