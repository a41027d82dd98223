"""Keys of WordPress posts and comments, which are the same in feeds and in REST answers.

WordPress gives each post a guid that never changes. The guid is `https://blog.example/?p=5`, or the
address that the post had when it was published. The guid of a comment is the guid of its post with
`#comment-7`. Feeds and REST answers both contain the guid. A key is a guid without its scheme, so
it stays the same when a site moves to https.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qsl, urlsplit

from scrm.channels.bounded import bounded_key, bounded_network
from scrm.net.addresses import ascii_host

_COMMENT = re.compile(r"#comment-([0-9]{1,18})\Z")
_NUMBERED = {"p", "page_id", "attachment_id"}


@dataclass(frozen=True, slots=True)
class Place:
    """The keys that identify a post or a comment.

    post: the key of the post; for a comment, the key of the post that the comment belongs to.
    """

    scope: str
    key: str
    post: str

    @property
    def is_comment(self) -> bool:
        return self.key != self.post


def site_scope(address: str) -> str:
    """Return the scope in which a site's keys are unique: the host and the port of the site."""
    return bounded_network(f"wordpress:{_host(address)}")


def guid_key(guid: str) -> str:
    """Return a guid without its scheme and standard port; "" if the guid is no web address."""
    guid = unescape(guid).strip()
    try:
        parts = urlsplit(guid)
        host = _host(guid)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return bounded_key(f"//{host}{parts.path or '/'}{query}{fragment}")


def comment_key(post: str, number: int) -> str:
    return f"{post}#comment-{number}"


def comment_number(key: str) -> int | None:
    found = _COMMENT.search(key)
    return int(found[1]) if found else None


def post_number(key: str) -> int | None:
    """Return the number of a post from a guid like `?p=5`; None if the guid contains no number."""
    for name, value in parse_qsl(urlsplit(key.partition("#")[0]).query):
        if name in _NUMBERED and re.fullmatch(r"[0-9]{1,18}", value):
            return int(value)
    return None


def place(guid: str, *, feed: str, by_wordpress: bool) -> Place | None:
    """Return the post or comment that a feed's guid names; None if it is no guid of WordPress.

    feed: the address of the feed. The guid must have the same host as the feed. Otherwise a feed
    could use the keys of another site's posts, and the real posts would be skipped because their
    keys are already known.
    """
    key = guid_key(guid)
    try:
        foreign = not key or f"//{_host(feed)}/" != key[: len(_host(feed)) + 3]
    except ValueError:
        return None
    if foreign or not (by_wordpress or comment_number(key) or post_number(key)):
        return None
    return Place(site_scope(feed), key, _COMMENT.sub("", key))


def _host(address: str) -> str:
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    return f"{ascii_host(parts.hostname or '').rstrip('.')}{port}"
