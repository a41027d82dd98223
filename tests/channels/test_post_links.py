"""The key of a post is found from its web address, so that a post made by hand can be logged."""

from __future__ import annotations

import pytest

from scrm.channels.base import Credentials
from scrm.channels.registry import channel

US = {
    "x": Credentials("x", "42", "@us"),
    "mastodon": Credentials(
        "mastodon:m.example", "7", "@us@m.example",
        config={"api": "https://www.m.example", "domain": "m.example"},
    ),
    "bluesky": Credentials("bluesky", "did:plc:us", "@us.bsky.social"),
}  # fmt: skip
RKEY = "3k2aabbccdde2"


@pytest.mark.parametrize(
    ("kind", "address", "key"),
    [
        ("x", "https://x.com/us/status/1234567890", "1234567890"),
        ("x", "https://twitter.com/us/status/1234567890?s=20", "1234567890"),
        ("x", "https://x.com/us", ""),
        ("x", "https://x.com.evil.example/us/status/1", ""),
        ("mastodon", "https://m.example/@us/1122", "1122"),
        ("mastodon", "https://www.m.example/users/us/statuses/1122", "1122"),
        ("mastodon", "https://other.example/@us/1122", ""),
        ("mastodon", "https://m.example/@us", ""),
        ("bluesky", f"https://bsky.app/profile/us.bsky.social/post/{RKEY}",
         f"at://did:plc:us/app.bsky.feed.post/{RKEY}"),
        ("bluesky", f"https://bsky.app/profile/did:plc:us/post/{RKEY}",
         f"at://did:plc:us/app.bsky.feed.post/{RKEY}"),
        ("bluesky", f"https://bsky.app/profile/someone.else/post/{RKEY}", ""),
    ],
)  # fmt: skip
def test_the_key_of_a_post_is_found_from_its_address(kind: str, address: str, key: str) -> None:
    key_of = channel(kind).key_of
    assert key_of
    assert key_of(US[kind], address) == key
