"""The length that scrm shows is the length that the network counts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrm.channels.base import ChannelError
from tests.channels.contract.adapter import Adapter, public

pytestmark = pytest.mark.needs("speak", "limit")

PIECES = (
    "a", "word", "é", "e\u0301", "ß", "Ж", "漢字", "ｱ", "한", "…", "–", "“q”", "½", "€",
    "\U0001f600", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea",
    "\U0001f44d\U0001f3fd", "1\ufe0f\u20e3", "❤\ufe0f", "1", "#", "#tag", "@ann",
    "@zoe@far.example", "https://x.example/", f"https://x.example/{'p' * 90}?q=1", "a\nb", "🏴‍☠️",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join)


def filled(network: Adapter, start: str, length: int) -> str:
    """Return a text with exactly this length, by the rules of the network."""
    start = f"{start} " if start else ""
    return start + "a" * (length - network.length(start))


def test_the_count_is_that_of_the_network(network: Adapter) -> None:
    """Fails if scrm and the network count an emoji, a link or a mention differently."""

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(texts)
    def counted(text: str) -> None:
        assert network.channel.text.count(text) == network.length(text)

    counted()


@pytest.mark.parametrize("start", ["", *PIECES])
def test_the_limit_is_accepted_and_one_more_is_refused(network: Adapter, start: str) -> None:
    """Fails if a text that fits is refused, or if the network refuses one that seems to fit."""
    rules = network.channel.text
    assert rules.max_length
    fitting = filled(network, start, rules.max_length)
    assert (rules.count(fitting), rules.excess(fitting)) == (rules.max_length, 0)
    network.send(public(fitting))
    assert len(network.our_posts()) == 1
    assert rules.excess(f"{fitting}a") == 1
    with pytest.raises(ChannelError) as caught:
        network.send(public(f"{fitting}a"))
    assert (caught.value.permanent, caught.value.uncertain) == (True, False)
    assert len(network.our_posts()) == 1
