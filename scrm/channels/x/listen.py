"""Listen on X: mentions, quotes of our posts, direct messages, and searches.

Quotes are found by a search for posts that quote and contain the address of our profile's posts.
One request covers all our posts, and only the quotes found cost money. The other way, one list of
quotes for each of our posts, would need a request for each post in every fetch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scrm.channels.base import (
    Batch,
    Change,
    ChannelError,
    Credentials,
    FetchRequest,
    File,
    Found,
    Item,
    UnreadableItem,
)
from scrm.channels.search_query import Untranslatable
from scrm.channels.unreadable import UNREADABLE
from scrm.channels.x.client import (
    MESSAGE_FACTS,
    POST_FACTS,
    Answer,
    XClient,
    client_of,
    encrypted_or_local,
)
from scrm.channels.x.errors import charged
from scrm.channels.x.read import NETWORK, Post, is_retweet, raw_of, read_message, read_post
from scrm.channels.x.sweep import Range, Swept, require_room, sweep, sweep_messages
from scrm.channels.x.translate import MAX_LENGTH, NO_RETWEETS, translate
from scrm.net import http

MENTIONS, QUOTES, MESSAGES, SEARCH = "mentions", "quotes", "messages", "search:"
SMALLEST_SEARCH, SMALLEST_MENTIONS = 10, 5
LOOK_AGAIN = timedelta(hours=12)
"""How often the last posts are looked up to find deleted ones; each look-up is paid for."""
REMEMBERED = 100
_ENTERPRISE_LENGTH = 4096
_PICTURES, _PICTURE_BYTES, _PICTURE_SECONDS = 4, 8 * http.MEGABYTE, 15.0
_HANDLE = re.compile(r"[A-Za-z0-9_]{1,15}")
_TITLES = {
    MENTIONS: "Mentions and replies on X",
    QUOTES: "Quotes of our posts on X",
    MESSAGES: "Direct messages on X",
}


class XListener:
    def listen(self, request: FetchRequest) -> Batch:
        """Fetch the posts or messages of an address since the cursor."""
        client = client_of(request.credentials, user=not request.address.startswith(SEARCH))
        if request.address == MESSAGES:
            return _listen_messages(client, request)
        if request.address == MENTIONS:
            require_room(request.max_items, SMALLEST_MENTIONS, "mentions")
            return _listen_posts(client, request, "", SMALLEST_MENTIONS)
        query = _query(request)
        require_room(request.max_items, SMALLEST_SEARCH, "posts")
        return _listen_posts(client, request, query, SMALLEST_SEARCH)

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        """Return the addresses that an account can fetch; a typed search comes first."""
        if credentials is None:
            return []
        found = []
        if address.startswith(SEARCH) and address.removeprefix(SEARCH).strip():
            words = address.removeprefix(SEARCH).strip()
            found.append(Found(f"{SEARCH}{words}", f"X search: {words}", NETWORK))
        return found + [
            Found(source, title, NETWORK)
            for source, title in _TITLES.items()
            if source in open_to(credentials)
        ]


def open_to(credentials: Credentials) -> dict[str, str]:
    """Return the sources that an account can read, except searches: address → name."""
    sources = credentials.config.get("sources") or ()
    return {
        source: f"{title}: @{credentials.address.lstrip('@')}"
        for source, title in _TITLES.items()
        if source in sources
    }


@dataclass(frozen=True, slots=True)
class _Read:
    """The readable posts of some answers, and the entries that cannot be read."""

    posts: dict[str, Post]
    unreadable: tuple[UnreadableItem, ...]

    @classmethod
    def all(cls, answers: Iterable[Answer], reader: Any) -> _Read:
        posts: dict[str, Post] = {}
        unreadable = []
        for answer in answers:
            users, media = answer.users, answer.media
            for row in answer.rows:
                if isinstance(row, Mapping) and is_retweet(row):
                    continue
                try:
                    post = reader(row, users, media)
                except UNREADABLE as error:
                    reason = f"This entry of X cannot be read: {error}"
                    unreadable.append(UnreadableItem(raw_of(row), reason))
                else:
                    posts.setdefault(post.latest, post)
        return cls(posts, tuple(unreadable))

    def items(self) -> tuple[Item, ...]:
        """Return one item for each post, the newest version of it, with its pictures."""
        newest = {post.item.key: post for post in sorted(self.posts.values(), key=_age)}
        return tuple(_with_pictures(post) for post in newest.values())


def _age(post: Post) -> tuple[int, str]:
    return len(post.latest), post.latest


def _listen_posts(client: XClient, request: FetchRequest, query: str, smallest: int) -> Batch:
    cursor, first = request.cursor, not request.cursor
    start = Range.of(cursor)
    if query:
        # The clock of X is not known yet; ten minutes of room cover a clock that differs.
        start = start.within_a_week(datetime.now(UTC))

    def ask(asked: dict[str, Any]) -> Answer:
        if query:
            found = client.search_recent_tweets(query, **asked, **POST_FACTS)
        else:
            found = client.get_users_mentions(client.user_id, **asked, **POST_FACTS)
        answer: Answer = found
        return answer

    swept = sweep(
        ask, start, smallest=smallest, max_items=request.max_items, first=first,
        token="next_token" if query else "pagination_token",
    )  # fmt: skip
    read = _Read.all(swept.answers, read_post)
    usage = _usage(swept, "post read" if query else "own read")
    memory = _Memory.of(cursor).with_posts(read.posts.values())
    room = REMEMBERED if request.max_items is None else request.max_items - swept.read
    gone, memory = _deletions(client, memory, room, swept, usage)
    changes = tuple(post.change for post in sorted(read.posts.values(), key=_age) if post.change)
    return _batch(swept, read, {**swept.next.stored, **memory.stored}, usage, (*changes, *gone))


def _listen_messages(client: XClient, request: FetchRequest) -> Batch:
    require_room(request.max_items, 1, "messages")
    start, token = Range.of(request.cursor), str(request.cursor.get("token") or "")

    def ask(asked: dict[str, Any]) -> Answer:
        answer: Answer = client.get_direct_message_events(**asked, **MESSAGE_FACTS)
        return answer

    try:
        swept, token = sweep_messages(ask, start, token, max_items=request.max_items)
    except ChannelError as error:
        if not token or not error.permanent:
            raise
        # A stored token may have expired. The list is then read again from its beginning.
        swept, token = sweep_messages(ask, Range(start.floor), "", max_items=request.max_items)
    read = _Read.all(swept.answers, read_message)
    usage = _usage(swept, "DM received")
    cursor = swept.next.stored | ({"token": token} if token else {})
    return _batch(swept, read, cursor, usage, ())


def _batch(
    swept: Swept, read: _Read, cursor: dict[str, Any], usage: dict[str, int],
    changes: tuple[Change, ...],
) -> Batch:  # fmt: skip
    items = read.items()
    return Batch(
        items=items,
        cursor=cursor,
        unchanged=not (items or changes or read.unreadable),
        next_after=swept.pause if swept.pause is not None else None if swept.complete else 0,
        unreadable=read.unreadable,
        size=sum(len(item.raw) for item in items),
        changes=changes,
        usage={operation: uses for operation, uses in usage.items() if uses},
    )


def _query(request: FetchRequest) -> str:
    """Return the search query of a source. Raises ChannelError."""
    account = request.credentials or Credentials(NETWORK)
    if request.address == QUOTES:
        handle = account.address.lstrip("@")
        if not _HANDLE.fullmatch(handle):
            raise ChannelError("The handle of this X account is unknown. Connect it again.",
                               permanent=True)  # fmt: skip
        places = " OR ".join(f'url:"{site}/{handle}/status"' for site in ("x.com", "twitter.com"))
        return f"({places}) is:quote {NO_RETWEETS} -from:{handle}"
    if not request.address.startswith(SEARCH):
        raise ChannelError(f"X has nothing at “{request.address}”.", permanent=True)
    enterprise = account.config.get("access") == "enterprise"
    longest = _ENTERPRISE_LENGTH if enterprise else MAX_LENGTH
    if request.terms is not None:
        try:
            return translate(request.terms, max_length=longest).queries[0]
        except Untranslatable as error:
            raise ChannelError(str(error), permanent=True) from error
    typed = " ".join(request.address.removeprefix(SEARCH).split())
    query = typed if "is:retweet" in typed else f"({typed}) {NO_RETWEETS}"
    if not typed or len(query) > longest:
        raise ChannelError(
            f"A search on X needs 1 to {longest - len(NO_RETWEETS) - 3} characters.", permanent=True
        )
    return query


@dataclass(frozen=True, slots=True)
class _Memory:
    """The last posts that were found, and when it was looked up whether they still exist.

    posts: key → id of the newest version.
    """

    posts: dict[str, str]
    checked: float

    @classmethod
    def of(cls, cursor: Mapping[str, Any]) -> _Memory:
        stored, checked = cursor.get("heard"), cursor.get("checked")
        posts = stored if isinstance(stored, dict) else {}
        return cls(
            {str(key): str(latest) for key, latest in posts.items() if str(latest).isdigit()},
            float(checked) if isinstance(checked, int | float) else 0.0,
        )

    @property
    def stored(self) -> dict[str, Any]:
        return {"heard": self.posts, "checked": self.checked}

    def with_posts(self, posts: Iterable[Post]) -> _Memory:
        latest = self.posts | {post.item.key: post.latest for post in sorted(posts, key=_age)}
        kept = sorted(latest.items(), key=lambda pair: int(pair[1]))[-REMEMBERED:]
        return replace(self, posts=dict(kept))


def _deletions(
    client: XClient, memory: _Memory, room: int, swept: Swept, usage: dict[str, int]
) -> tuple[tuple[Change, ...], _Memory]:
    """Look up which of the last posts were deleted, if it is time and the limit allows it."""
    now = swept.answers[0].moment.timestamp()
    if not memory.checked:
        return (), replace(memory, checked=now)
    due = now - memory.checked >= LOOK_AGAIN.total_seconds()
    asked = list(memory.posts.items())[-max(room, 0) :] if room > 0 else []
    if not (due and asked and swept.complete):
        return (), memory
    try:
        answer: Answer = client.get_tweets([latest for _, latest in asked])
    except ChannelError as error:
        # The posts that were read before count more than this look-up; it is tried again later.
        usage["post read"] = usage.get("post read", 0) + charged(error, len(asked))
        return (), memory
    usage["post read"] = usage.get("post read", 0) + len(answer.rows)
    missing = {
        str(error.get("resource_id") or error.get("value"))
        for error in answer.errors
        if str(error.get("type", "")).endswith("/resource-not-found")
    }
    gone = [key for key, latest in asked if latest in missing]
    left = {key: latest for key, latest in memory.posts.items() if key not in gone}
    return tuple(Change(NETWORK, key, "deleted") for key in gone), _Memory(left, now)


def _usage(swept: Swept, operation: str) -> dict[str, int]:
    """Count what X charges for; an entry or profile that appears twice counts once.

    An entry whose answer did not arrive counts as one with a profile of its own.
    """
    entries, people = set(), set()
    for answer in swept.answers:
        entries |= {str(row.get("id")) for row in answer.rows if isinstance(row, Mapping)}
        people |= set(answer.users)
    return {operation: len(entries) + swept.lost, "user read": len(people) + swept.lost}


def _with_pictures(post: Post) -> Item:
    files = (_picture(url, alt) for url, alt in post.pictures[:_PICTURES])
    return replace(post.item, attachments=tuple(file for file in files if file))


def _picture(url: str, alt: str) -> File | None:
    """Download a picture; None if this fails, because the item must not be lost."""
    try:
        encrypted_or_local(url)
        answer = http.fetch(url, max_bytes=_PICTURE_BYTES, deadline=_PICTURE_SECONDS)
    except (http.HttpError, ChannelError):
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status != 200 or not kind.startswith("image/"):
        return None
    name = url.partition("?")[0].rpartition("/")[2][:100] or "picture"
    return File(name, kind, answer.body, alt)
