"""Find the post at a web address of X."""

from __future__ import annotations

import re

from scrm.channels.base import Credentials

_POST = re.compile(r"https://(?:www\.|mobile\.)?(?:x|twitter)\.com/\w{1,50}/status/([0-9]{1,20})\b")


def key_of(credentials: Credentials, address: str) -> str:  # noqa: ARG001
    """Return the number of the post, or "" if the address is not that of a post."""
    found = _POST.match(address)
    return found[1] if found else ""
