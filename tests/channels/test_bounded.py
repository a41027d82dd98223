"""Long names of networks and long keys are shortened, so that the database can store them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scrm.channels.base import Author, Item
from scrm.channels.bounded import bounded_key, bounded_network
from scrm.channels.mastodon.client import network_of
from scrm.channels.permalink import site_scope

HOST = ".".join(["a" * 60] * 4 + ["example"])


@pytest.mark.parametrize(("bounded", "most"), [(bounded_key, 400), (bounded_network, 60)])
def test_a_long_name_becomes_a_short_one_that_differs_from_others(
    bounded: Callable[[str], str], most: int
) -> None:
    assert bounded("a" * most) == "a" * most
    one, other = bounded("a" * 2000 + "b"), bounded("a" * 2000 + "c")
    assert one != other
    assert len(one) == len(other) == most
    assert bounded(one) == one, "it is shortened once"


def test_author_and_item_fit_into_the_database() -> None:
    author = Author(f"csv:{HOST}", "i" * 1000)
    assert (len(author.network), len(author.key)) == (60, 400)
    item = Item(f"csv:{HOST}", "k" * 2000, author, "x", other_address=f"{'a' * 900}@b.example")
    assert (len(item.scope), len(item.key), len(item.other_address)) == (255, 400, 400)


def test_an_account_has_the_network_of_its_authors() -> None:
    """Messages are answered from the account whose network equals the network of the author."""
    for network in (network_of(f"https://{HOST}"), site_scope(f"https://{HOST}")):
        assert Author(network, "1").network == network
