"""How a channel searches its network for the words of a topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scrm.channels.base import Terms

SEARCH = "search:"
"""The address of a search; the words follow, or `FetchRequest.terms` contains them."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What is searched for on the network, and what scrm checks itself.

    queries: the queries in the network's own language; usually one.
    left_to_us: one sentence for each part of the topic that the network cannot search for.
    """

    queries: tuple[str, ...]
    left_to_us: tuple[str, ...] = ()


class Untranslatable(ValueError):
    """The words cannot become a query. The message says why and what to do."""


Translate = Callable[[Terms], Translation]
"""Translate the words of a topic. A query is never narrower than the topic.

Raises Untranslatable.
"""
