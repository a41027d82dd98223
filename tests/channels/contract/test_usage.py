"""What a network charges for is counted, and a limit of paid items is kept."""

from __future__ import annotations

import pytest

from scrm.channels.base import Batch, Usage
from tests.channels.contract.adapter import Adapter, public, reply_to

SOURCES = ("address", "own_address", "message_address")


def test_a_free_network_charges_for_nothing(network: Adapter) -> None:
    network.post_as_other("a letter")
    if network.channel.prices is None:
        assert network.listen().usage == {}
        assert network.channel.item_price == ""
    else:
        assert network.channel.item_price in network.channel.prices.prices


@pytest.mark.needs("prices")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("most", [10, 25, 100])
def test_a_limit_of_paid_items_is_kept(network: Adapter, source: str, most: int) -> None:
    """Fails if a fetch reads more items than may be paid for, or does not count what it read."""
    address = getattr(network, source)
    first = network.listen(address=address)
    for number in range(60):
        network.post_as_other(f"a letter, number {number}")
        network.message_as_other(f"a private letter, number {number}")
    read = 0
    for cursor in ({}, first.cursor):
        batch = network.listen(cursor, address, max_items=most)
        assert len(batch.items) <= most
        assert charged(network, batch, without="user read") <= most
        assert_at_most(batch.usage, network.channel.cost_of_item(address).usage, most)
        read += len(batch.items)
    assert read > 0


@pytest.mark.needs("prices", "speak")
def test_each_text_that_is_sent_has_a_price(network: Adapter) -> None:
    network.post_as_other("a question")
    network.message_as_other("a private question")
    items = [*network.heard(), *network.heard(network.message_address)]
    texts = [public("A post."), public("See https://x.example/"), *map(reply_to, items)]
    texts.append(public("x", parts=("One 1/2", "Two 2/2")))
    prices = network.channel.prices
    assert prices
    for outgoing in texts:
        usage = network.send(outgoing).usage
        written = [uses for operation, uses in usage.items() if not operation.endswith("read")]
        assert sum(written) == len(outgoing.parts or [outgoing])
        assert prices.cost(usage) > 0, "raises KeyError for an unknown operation"
        foretold = network.channel.send_usage
        assert foretold
        assert prices.cost(usage) <= prices.cost(foretold(outgoing))


def assert_at_most(usage: Usage, of_one: Usage, times: int) -> None:
    """Check a usage against the most that reading one item can use."""
    for operation, uses in usage.items():
        assert uses <= of_one.get(operation, 0) * times, operation


def charged(network: Adapter, batch: Batch, *, without: str) -> int:
    """Return the number of paid uses; raises KeyError if an operation has no price."""
    prices = network.channel.prices
    assert prices
    assert prices.cost(batch.usage) > 0 or not batch.items
    return sum(uses for operation, uses in batch.usage.items() if operation != without)
