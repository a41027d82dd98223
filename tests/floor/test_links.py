"""Links at the end of texts."""

from __future__ import annotations

import pytest

from scrm.text.links import without_last_link


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Thank you! https://x.com/ann/status/77", "Thank you!"),
        ("Thank you!\nhttps://twitter.com/ann/status/77?s=20 \n", "Thank you!"),
        ("https://x.com/ann/status/77", ""),
        ("See https://x.com/ann/status/77 first.", "See https://x.com/ann/status/77 first."),
        ("Thank you! https://x.com/ann/status/770", "Thank you! https://x.com/ann/status/770"),
        ("Thank you!  ", "Thank you!  "),
        ("", ""),
    ],
)
def test_only_a_link_to_the_post_at_the_end_is_left_out(text: str, left: str) -> None:
    assert without_last_link(text, "77") == left
