"""Listen to mentions, searches, an author's posts and direct messages.

Every fetch also looks at the fifty newest posts again, so that edits and deletions are noticed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from scrm.channels.bluesky import messages, read
from scrm.channels.bluesky.client import Client, Row, XrpcError, encrypted_or_local
from scrm.channels.bluesky.keys import Uri
from scrm.channels.bluesky.lookup import get_posts, has_address, profiles, record
from scrm.channels.bluesky.search import queries
from scrm.channels.bluesky.sweep import Page, mark_of, sweep
from scrm.channels.unreadable import UNREADABLE
from scrm.net import http
from scrm.text.clean import plain

MENTIONS, MESSAGES, SEARCH, AUTHOR = "mentions", "messages", "search", "author"
WATCHED = 50
QUERIES_AT_ONCE = 8
PICTURES, PICTURE_BYTES, PICTURE_SECONDS, ALL_PICTURES_SECONDS = 4, 8 * http.MEGABYTE, 8.0, 25.0
_REASONS = ("mention", "reply", "quote")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the network that is read in pages.

    rows: the name of the list in the answer. post_of: returns the post of a row, or None if the row
    is not wanted. hydrate: whether the rows lack pictures, so that the posts are fetched as well.
    depth, whole: see `sweep`.
    """

    name: str
    method: str
    query: dict[str, Any]
    rows: str
    post_of: Callable[[Row], Any] = field(default=lambda row: row)
    hydrate: bool = False
    depth: int = 1000
    whole: bool = True


class BlueskyListener:
    def listen(self, request: FetchRequest) -> Batch:
        client = Client.of(request.credentials)
        self_key = request.credentials.self_key if request.credentials else ""
        if request.address == MESSAGES:
            return messages.listen(client, request.cursor, self_key)
        return _listen(client, request, _listings(request))

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        """Return the search for what was typed, or the posts of the profile that was typed."""
        address = address.strip()
        if credentials is None or not address:
            return []
        if address in (MENTIONS, MESSAGES) or address.startswith(f"{SEARCH}:"):
            return [Found(address, _title(address), read.NETWORK)]
        found = Found(f"{SEARCH}:{address}", _title(f"{SEARCH}:{address}"), read.NETWORK)
        profile = _profile(Client.of(credentials), address)
        return [profile, found] if profile else [found]


def _listings(request: FetchRequest) -> list[Listing]:
    """Return the lists that an address stands for."""
    kind, _, rest = request.address.partition(":")
    if kind == MENTIONS:
        # Without priority=false, a setting of the account may hide people we do not follow.
        query = {"reasons": list(_REASONS), "priority": "false"}
        method = "app.bsky.notification.listNotifications"
        return [Listing(MENTIONS, method, query, "notifications", _notified, hydrate=True)]
    if kind == AUTHOR and rest.startswith("did:"):
        query = {"actor": rest, "filter": "posts_with_replies"}
        return [Listing(rest, "app.bsky.feed.getAuthorFeed", query, "feed", _own_post)]
    if kind == SEARCH and (asked := queries(rest, request.terms)):
        method = "app.bsky.feed.searchPosts"
        return [
            Listing(mark_of(words), method, {"q": words, "sort": "latest"}, "posts", depth=300,
                    whole=False)
            for words in asked
        ]  # fmt: skip
    raise ChannelError(
        f"Bluesky has no source called “{plain(request.address)[:100]}”. Add the source again.",
        permanent=True,
    )


def _notified(row: Row) -> Any:
    return row if row.get("reason") in _REASONS else None


def _own_post(row: Row) -> Any:
    """Return the post of a row of a profile's feed; None for a repost of another author's post."""
    reason = row.get("reason")
    is_repost = isinstance(reason, dict) and str(reason.get("$type", "")).endswith("#reasonRepost")
    return None if is_repost else row["post"]


def _listen(client: Client, request: FetchRequest, listings: Sequence[Listing]) -> Batch:
    old = request.cursor
    states = old.get("lists", {})
    turn = int(old.get("turn", 0)) % len(listings)
    chosen = [*listings[turn:], *listings[:turn]][:QUERIES_AT_ONCE]
    found: list[Any] = []
    more, kept, left = False, {}, request.max_items
    for each in chosen:
        if left is not None and left <= 0:
            break
        swept = sweep(
            _pages(client, each), states.get(each.name, {}), depth=each.depth, whole=each.whole,
            most=left,
        )  # fmt: skip
        found += _hydrated(client, swept.found) if each.hydrate else swept.found
        kept[each.name], more = swept.state, more or swept.more
        left = left if left is None else left - len(swept.found)
    changes, watched = _look_again(client, old.get("watched", []))
    items, unreadable = _read(client, found)
    watched = _newest([*_to_watch(found, items), *watched])
    current = {each.name for each in listings}
    lists = {name: state for name, state in states.items() if name in current} | kept
    cursor = {"lists": lists, "turn": (turn + len(kept)) % len(listings), "watched": watched}
    return Batch(
        items, cursor, not (items or unreadable or changes), 0 if more else None, unreadable,
        sum(len(item.raw) for item in items), changes,
    )  # fmt: skip


def _pages(client: Client, listing: Listing) -> Callable[[str, int], Page]:
    def page_at(cursor: str, limit: int) -> Page:
        query = {**listing.query, "limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = client.get(listing.method, query)
        rows = answer.get(listing.rows)
        if not isinstance(rows, list):
            raise ChannelError(f"{client.host} returned something other than a list.")
        following = answer.get("cursor")
        entries = dict(_entries(rows, listing))
        return Page(entries, following if isinstance(following, str) else "")

    return page_at


def _entries(rows: Iterable[Any], listing: Listing) -> Iterator[tuple[str, Any]]:
    """Yield key and post of each row. A row that cannot be read has its content as its key."""
    for row in rows:
        try:
            view = listing.post_of(row)
            if view is not None:
                yield str(view["uri"]), view
        except UNREADABLE:
            yield json.dumps(row, sort_keys=True, default=str), row


def _hydrated(client: Client, views: list[Any]) -> list[Any]:
    """Return the posts of notifications, with their pictures.

    If a post was deleted or is hidden, the notification itself is returned.
    """
    uris = [view["uri"] for view in views if has_address(view)]
    full = {view["uri"]: view for view in get_posts(client, uris) if has_address(view)}
    return [full.get(view["uri"], view) if has_address(view) else view for view in views]


def _read(client: Client, views: list[Any]) -> tuple[tuple[Item, ...], tuple[UnreadableItem, ...]]:
    people = profiles(client, read.dids(view for view in views if isinstance(view, dict)))
    items, unreadable = {}, []
    until = time.monotonic() + ALL_PICTURES_SECONDS
    for view in views:
        try:
            item = read.post(view, people)
        except UNREADABLE as error:
            unreadable.append(read.unreadable(view, error))
        else:
            items[item.key] = replace(item, attachments=tuple(_files(view, until)))
    return tuple(items.values()), tuple(unreadable)


def _files(view: Row, until: float) -> Iterator[File]:
    """Download the pictures of a post. A picture that fails is left out."""
    for number, (url, alt) in enumerate(read.pictures(view)):
        seconds = min(PICTURE_SECONDS, until - time.monotonic())
        if number >= PICTURES or seconds <= 0:
            return
        try:
            encrypted_or_local(url)
            answer = http.fetch(url, max_bytes=PICTURE_BYTES, deadline=seconds)
        except (http.HttpError, ChannelError):
            continue
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status == 200 and kind.startswith("image/") and answer.body:
            ending = {"image/jpeg": "jpg", "image/svg+xml": "svg"}.get(kind, kind[6:16])
            yield File(f"picture-{number + 1}.{ending}", kind, answer.body, alt)


def _look_again(client: Client, watched: Any) -> tuple[tuple[Change, ...], list[list[str]]]:
    """Return edits and deletions of watched posts, and the posts to watch further.

    A post is watched further if it is not certain what happened to it.
    """
    pairs = [(str(uri), str(cid)) for uri, cid in watched]
    try:
        views = get_posts(client, [uri for uri, _ in pairs])
    except ChannelError:
        return (), [list(pair) for pair in pairs]
    there = {view["uri"]: view for view in views if has_address(view)}
    deleted = _deleted(client, [uri for uri, _ in pairs if uri not in there])
    changes, still = [], []
    for uri, cid in pairs:
        view = there.get(uri)
        if view is None:
            if deleted[uri]:
                changes.append(Change(read.NETWORK, uri, "deleted"))
            elif deleted[uri] is None:
                still.append([uri, cid])
            continue
        still.append([uri, str(view.get("cid", cid))])
        if still[-1][1] != cid:
            try:
                changes.append(read.edit(view))
            except UNREADABLE:
                still[-1][1] = cid
    return tuple(changes), still


def _deleted(client: Client, uris: list[str]) -> dict[str, bool | None]:
    """Return which of the posts that are no longer shown were deleted; None if that is uncertain.

    A post is also missing if its author blocked us; only its record tells the difference.
    """
    found: dict[str, bool | None] = dict.fromkeys(uris)
    for uri in uris:
        try:
            found[uri] = record(client, Uri.parse(uri)) is None
        except ChannelError as error:
            if not error.permanent:  # the network has a fault; the next fetch asks again
                break
    return found


def _to_watch(views: list[Any], items: Iterable[Item]) -> list[list[str]]:
    keys = {item.key for item in items}
    cids = {view["uri"]: view.get("cid") for view in views if has_address(view)}
    return [[uri, cid] for uri, cid in cids.items() if uri in keys and isinstance(cid, str)]


def _newest(watched: Iterable[list[str]]) -> list[list[str]]:
    cids: dict[str, str] = {}
    for uri, cid in watched:
        cids.setdefault(uri, cid)
    return [[uri, cid] for uri, cid in cids.items()][:WATCHED]


def _title(address: str) -> str:
    kind, _, words = address.partition(":")
    if kind == SEARCH:
        return f"Bluesky search: {words.strip()}"
    return f"Bluesky {kind}"


def _profile(client: Client, typed: str) -> Found | None:
    """Return the source of a profile's posts if a handle, a DID or a profile page was typed."""
    actor = typed.partition("/profile/")[2].partition("/")[0] or typed.removeprefix("@")
    if not (actor.startswith("did:") or "." in actor) or " " in actor:
        return None
    try:
        row = client.get("app.bsky.actor.getProfile", {"actor": actor})
        author = read.author(row, {})
    except (XrpcError, *UNREADABLE):
        return None
    return Found(f"{AUTHOR}:{author.key}", f"Posts of @{author.handle}", read.NETWORK)
