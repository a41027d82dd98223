"""Find the post at a web address of Bluesky."""

from __future__ import annotations

import re

from scrm.channels.base import Credentials
from scrm.channels.bluesky.keys import POST, Uri

_ADDRESS = re.compile(r"https://bsky\.app/profile/([^/?#]{1,300})/post/([0-9a-z]{13})/?")


def key_of(credentials: Credentials, address: str) -> str:
    """Return the at:// address of a post of ours, or "" if it is not the address of one."""
    found = _ADDRESS.fullmatch(address)
    if not found or found[1] not in {credentials.self_key, credentials.address.lstrip("@")}:
        return ""
    return str(Uri(credentials.self_key, POST, found[2]))
