from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.net.secret_addresses import MARK, join, purge, separate, without_secrets

TOKEN = "f00dfeed" * 5
WITH_SECRET = [
    f"https://www.reddit.com/r/travel/new/.rss?feed={TOKEN}&user=jo",
    f"reddit.com/r/travel/.rss?user=jo&feed={TOKEN}",
    f"https://github.com/org.private.atom?token={TOKEN}",
    f"https://git.example/p.atom?feed_token={TOKEN}#top",
    f"https://forum.example/posts.rss?api_key={TOKEN}&api_username=jo",
    f"https://blog.example/feed?page=2&Access-Token={TOKEN}",
    f"https://blog.example/feed?PASSWORD={TOKEN}",
]
WITHOUT_SECRET = [
    "https://blog.example/?feed=comments-rss2",
    "https://blog.example/feed?key=category-name",
    "https://blog.example/feed?token=short",
    "https://www.youtube.com/feeds/videos.xml?channel_id=UC0123456789012345678901",
    "https://notreddit.com/x?feed=comments-rss2",
    "not an address?",
    "",
]


@pytest.mark.parametrize("address", WITH_SECRET)
def test_a_secret_parameter_is_hidden_and_can_be_joined_again(address: str) -> None:
    """Fails if the name of the parameter is missing in the pattern."""
    shown, secrets = separate(address)
    assert TOKEN not in shown
    assert list(secrets.values()) == [TOKEN]
    assert join(shown, secrets) == address
    assert without_secrets(address) == address.replace(TOKEN, "***")
    assert TOKEN not in without_secrets(f"{address} is not valid")


@pytest.mark.parametrize("address", WITHOUT_SECRET)
def test_other_parameters_stay_readable(address: str) -> None:
    assert separate(address) == (address, {})
    assert without_secrets(address) == address


def test_addresses_that_differ_only_in_their_secrets_stay_different() -> None:
    """Fails if all secrets get the same mark: then only one of two feeds could be added."""
    first, second = (separate(f"https://a.example/?token={word * 4}")[0] for word in ("abc", "abd"))
    assert first != second


@given(st.text(max_size=300))
def test_every_text_can_be_separated_and_joined(text: str) -> None:
    assert join(*separate(text)) == text
    address = f"https://a.example/?token={text}&x={text}"
    assert join(*separate(address)) == address


def test_an_answer_that_repeats_the_secret_is_purged_of_it() -> None:
    """Fails if only the secret as it stands in the address is replaced."""
    address = "https://a.example/?token=abc%2Bdefghi"
    _, secrets = separate(address)
    content = b"<link href='?token=abc%2Bdefghi'/><id>abc+defghi</id>"
    cleaned = purge(content, secrets)
    assert b"defghi" not in cleaned
    assert cleaned.count(next(iter(secrets)).encode()) == 2


def test_long_hostile_addresses_take_linear_time() -> None:
    for hostile in (
        "?a" * 100_000,
        "?" + "a." * 100_000,
        "?token=" * 30_000,
        "&token=" + "x" * 200_000,
    ):
        start = time.process_time()
        without_secrets(f"https://a.example/{hostile}")
        assert time.process_time() - start < 1.0, hostile[:20]


def test_a_mark_looks_like_the_pattern_of_marks() -> None:
    shown, secrets = separate(WITH_SECRET[0])
    assert re.findall(MARK, shown) == list(secrets)
