"""Find the status at a web address of our server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from scrm.channels.base import Credentials

_PATH = re.compile(r"/(?:@[^/]{1,300}|users/[^/]{1,300}/statuses)/([0-9A-Za-z]{1,40})/?")


def key_of(credentials: Credentials, address: str) -> str:
    """Return the id of the status; "" if it is not the address of a status on our server."""
    where, ours = urlsplit(address), urlsplit(str(credentials.config.get("api", "")))
    if where.netloc not in {ours.netloc, credentials.config.get("domain")}:
        return ""
    found = _PATH.fullmatch(where.path)
    return found[1] if found else ""
