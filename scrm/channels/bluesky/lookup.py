"""Look up posts, profiles and records by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scrm.channels.base import ChannelError
from scrm.channels.bluesky.client import Client, Row, XrpcError
from scrm.channels.bluesky.keys import Uri

AT_ONCE = 25
_MISSING = "RecordNotFound"
_MISSING_ELSEWHERE = "Could not locate record"
"""What is said, without the code above, of a record that another server keeps."""


def get_posts(client: Client, uris: Sequence[str]) -> list[Any]:
    """Return the posts that exist and that we may see."""
    found: list[Any] = []
    for start in range(0, len(uris), AT_ONCE):
        asked = {"uris": uris[start : start + AT_ONCE]}
        posts = client.get("app.bsky.feed.getPosts", asked).get("posts")
        if not isinstance(posts, list):
            raise ChannelError(f"{client.host} returned something other than a list of posts.")
        found += posts
    return found


def profiles(client: Client, dids: Sequence[str]) -> dict[str, Row]:
    """Return the detailed profiles; those that cannot be fetched are left out."""
    found: dict[str, Row] = {}
    for start in range(0, len(dids), AT_ONCE):
        asked = {"actors": dids[start : start + AT_ONCE]}
        try:
            rows = client.get("app.bsky.actor.getProfiles", asked).get("profiles")
        except ChannelError:
            continue
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and isinstance(row.get("did"), str):
                found[row["did"]] = row
    return found


def record(client: Client, at: Uri) -> Row | None:
    """Return a record with its `uri`, `cid` and `value`; None if it surely does not exist."""
    query = {"repo": at.repo, "collection": at.collection, "rkey": at.rkey}
    try:
        return client.get("com.atproto.repo.getRecord", query)
    except XrpcError as error:
        elsewhere = error.code == "InvalidRequest" and _MISSING_ELSEWHERE in error.message
        if error.code == _MISSING or elsewhere:
            return None
        raise


def has_address(view: Any) -> bool:
    """Whether an answer of the network is an object with the address of a record."""
    try:
        Uri.parse(view["uri"])
    except (KeyError, TypeError, ValueError):
        return False
    return True
