"""The channel for feeds: fetch a feed by conditional requests, and find a site's feeds."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.utils.translation import gettext_lazy as _

from scrm.channels import permalink
from scrm.channels.base import (
    Author,
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Found,
    Item,
    Json,
    UnreadableItem,
)
from scrm.channels.channel import Channel
from scrm.channels.feed import child
from scrm.channels.feed.aliases import aliases
from scrm.channels.feed.gunzip import gunzip
from scrm.channels.feed.moves import FeedMoves, headers_to
from scrm.channels.network_facts import FEED
from scrm.net import http
from scrm.net.addresses import ascii_host
from scrm.net.secret_addresses import join, purge, separate, without_secrets
from scrm.text.decode import charset_of, decode

NETWORK = "feed"
VISIT_SECONDS = 30.0
DISCOVER_SECONDS = 10.0
MAX_BYTES = 10 * http.MEGABYTE
MAX_STAY_AWAY = 3_600.0
"""The longest time in seconds that a cache header or `<ttl>` may delay the next fetch."""
MAX_RETRY_AFTER = 7 * 86_400.0

_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json;q=0.9, "
    "application/rdf+xml;q=0.9, application/xml;q=0.9, */*;q=0.5"
)
_WELL_KNOWN = (
    "/feed", "/feed/", "/rss.xml", "/atom.xml", "/feed.xml", "/index.xml", "/feed.json",
    "/index.rdf",
)  # fmt: skip
_MAX_FOUND, _MAX_SHOWN, _MAX_TRIED = 3, 20, 6
_HTML = re.compile(
    r"(?is)\s*(<\?xml[^>]{0,200}>\s*)?(<!--.{0,2000}?-->\s*)?<(!doctype\s+html|html)\b"
)
_FEED = re.compile(r"<(?:rss|feed|rdf:RDF)\b")
_SNIFFED = 4096
_SCHEME = re.compile(r"(?i)[a-z][a-z0-9+.-]*://")
_MAX_AGE = re.compile(r"(?i)\bmax-age\s*=\s*\"?(\d{1,9})")


class FeedListener:
    def listen(self, request: FetchRequest) -> Batch:
        """Fetch a feed with one conditional GET request.

        The cursor stores the address of the feed and its cache validators (ETag and Last-Modified).
        It also stores the scope of the first fetch. The scope never changes, because otherwise all
        entries would count as new when a feed moves. Secrets are stored neither in the cursor nor
        in the items.
        """
        # If the address was changed, the stored validators belong to another feed.
        cursor = request.cursor if request.cursor.get("asked") == request.address else {}
        address = str(cursor.get("address") or request.address)
        response = _ask(request, address, _conditions(cursor))
        if response.status == 410 and address != request.address:
            # The first address may still work, or redirect to a newer one.
            address, response = request.address, _ask(request, request.address, {})
        moved, refused = _moved(response, request.secrets), str(cursor.get("refused", ""))
        # If an admin has undone this move, the redirect is followed at each fetch but not stored.
        address = moved if moved and moved != refused else address
        fresh = {
            "asked": request.address,
            "address": address,
            "refused": refused,
            "typed": cursor.get("typed", ""),
            "scope": cursor.get("scope") or scope(address),
            "etag": response.headers.get("etag", ""),
            "modified": response.headers.get("last-modified", ""),
            "hash": hashlib.sha256(response.body).hexdigest(),
        }
        if response.status == 304:
            return Batch(cursor=cursor, unchanged=True, next_after=_stay_away(response))
        _refuse(response)
        if fresh["hash"] == cursor.get("hash"):
            return Batch(cursor=fresh, unchanged=True, next_after=_stay_away(response))
        facts = _read_feed(response)
        items = tuple(_items(facts, str(fresh["scope"])))
        unreadable = tuple(
            UnreadableItem(_bytes(entry["raw"]), entry["reason"]) for entry in facts["unreadable"]
        )
        stay_away = _stay_away(response, facts["ttl"])
        return Batch(items, fresh, False, stay_away, unreadable, len(response.body))

    def discover(
        self,
        address: str,
        credentials: Credentials | None = None,  # noqa: ARG002 - feeds have no accounts
    ) -> list[Found]:
        """Return the feed at an address, or up to three feeds to which the page there links.

        If the page links to no feed, a feed at one of the usual addresses is returned.
        """
        until = time.monotonic() + DISCOVER_SECONDS
        response = _first_answer(address.strip(), until)
        _refuse(response)
        if not _is_html(response):
            return [_found(response, response.moved_to or _asked(response, address))]
        linked = _linked(response, until, separate(address)[1])
        found = linked or _well_known(response.url, until)
        if not found:
            shown = without_secrets(response.url)
            raise ChannelError(
                f"{shown} is a web page without a link to a feed, and no feed was found in "
                "the usual places. Enter the address of the feed itself.",
                permanent=True,
            )
        return found


def scope(address: str) -> str:
    """Return the scope in which the ids of a feed are unique: the feed's address without scheme."""
    parts = urlsplit(address.strip())
    port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    query = f"?{parts.query}" if parts.query else ""
    host = ascii_host(parts.hostname or "").rstrip(".")
    return f"feed:{host}{port}{parts.path or '/'}{query}"


def _ask(request: FetchRequest, address: str, conditions: Mapping[str, str]) -> http.Response:
    return _get(
        join(address, request.secrets), request.secrets,
        headers={**headers_to(address, request), **conditions}, deadline=VISIT_SECONDS,
    )  # fmt: skip


def _get(
    address: str, secrets: Mapping[str, str], *, headers: Mapping[str, str], deadline: float
) -> http.Response:
    """Fetch an address, and return the answer without the secrets of the address."""
    try:
        response = http.fetch(
            address,
            headers={"Accept": _ACCEPT, **headers},
            max_bytes=MAX_BYTES,
            deadline=deadline,
        )
    except http.HttpError as error:
        raise ChannelError(error.message) from error
    return replace(response, body=purge(_unpacked(response), secrets))


def _unpacked(response: http.Response) -> bytes:
    """Return the body. Some servers send a compressed file without saying so in a header."""
    body = gunzip(response.body, MAX_BYTES + 1)
    if not body:
        return response.body
    if len(body) > MAX_BYTES:
        shown = without_secrets(response.url)
        raise ChannelError(f"{shown} returns more than {MAX_BYTES // http.MEGABYTE} MB.")
    return body


def _moved(response: http.Response, secrets: Mapping[str, str]) -> str:
    """Return the address to which the feed has moved, without secrets; "" if it has not moved.

    An address with a secret that we do not have could not be fetched later, so it is ignored.
    """
    shown, found = separate(response.moved_to)
    return shown if found.keys() <= secrets.keys() else ""


def _conditions(cursor: Json) -> dict[str, str]:
    pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "modified"))
    return {header: str(cursor[name]) for header, name in pairs if cursor.get(name)}


def _refuse(response: http.Response) -> None:
    """Raise ChannelError if the response has an error status or an empty body."""
    status, url = response.status, without_secrets(response.url)
    if status in (429, 503):
        what = "asks for fewer requests" if status == 429 else "is not available at the moment"
        raise ChannelError(f"{url} {what} ({status}).", retry_after=_retry_after(response))
    if status == 410:
        message = f"{url} says that the feed was removed for good (410)."
        raise ChannelError(message, permanent=True, gone=True)
    if status in (401, 403):
        raise ChannelError(f"{url} denies access ({status}): it may ask for a password.")
    if status == 404:
        raise ChannelError(f"There is nothing at {url} (404).")
    if status != 200:
        raise ChannelError(f"{url} returns an error ({status}).")
    if not response.body.strip():
        raise ChannelError(f"{url} returns an empty page.", permanent=True)


def _read_feed(response: http.Response) -> dict[str, Any]:
    facts = _parse("feed", response)
    if facts["version"]:
        return facts
    if _is_html(response):
        what = "returns a web page, not a feed. Enter the address of the site to find its feed"
    else:
        what = "returns something that is not a feed or is too damaged to read"
    raise ChannelError(f"{without_secrets(response.url)} {what}.", permanent=True)


def _parse(op: Any, response: http.Response) -> dict[str, Any]:
    content_type = response.headers.get("content-type", "")
    return child.parse(
        op, response.body, base=without_secrets(response.url), content_type=content_type
    )


def _is_html(response: http.Response) -> bool:
    content_type = response.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    declared = kind in ("text/html", "application/xhtml+xml")
    head = decode(
        response.body[:_SNIFFED], charset_of(content_type), markup=True, may_guess=False
    ).text
    is_feed = bool(_FEED.search(head)) or head.lstrip().startswith("{")
    return bool(_HTML.match(head)) or (declared and not is_feed)


def _items(facts: dict[str, Any], space: str) -> Iterator[Item]:
    for entry in facts["entries"]:
        moment, edited = (
            datetime.fromisoformat(entry[field]) if entry[field] else None
            for field in ("occurred_at", "edited_at")
        )
        author = Author(
            network=NETWORK,
            key=f"{space.removeprefix('feed:')}#{entry['author']}",
            name=entry["author"],
            url=entry["author_url"] or facts["link"],
        )
        item = Item(
            scope=space,
            key=entry["key"],
            author=author,
            text=entry["text"],
            title=entry["title"],
            html=entry["html"],
            url=entry["url"],
            occurred_at=moment,
            in_reply_to=entry["in_reply_to"],
            language=entry["language"],
            raw=_bytes(entry["raw"]),
            content_hash=entry["content_hash"],
            edited_at=edited,
            aliases=aliases(
                url=entry["url"], title=entry["title"], text=entry["text"],
                author=entry["author"], occurred_at=moment,
            ),
        )  # fmt: skip
        yield _by_permalink(item, by_wordpress="wordpress.org" in facts["maker"].lower())


def _by_permalink(item: Item, *, by_wordpress: bool) -> Item:
    """Return the item. An item of a WordPress site gets the key that it has in the REST API."""
    feed = f"//{item.scope.removeprefix('feed:')}"
    place = permalink.place(item.key, feed=feed, by_wordpress=by_wordpress)
    if place is None:
        return item
    if not place.is_comment:
        return replace(item, scope=place.scope, key=place.key, thread_key=place.post)
    answered = permalink.guid_key(item.in_reply_to)
    return replace(
        item,
        scope=place.scope,
        key=place.key,
        kind="comment",
        thread_key=place.post,
        # If the parent of a comment was deleted, WordPress names the comment itself as its parent.
        in_reply_to=answered if answered not in ("", place.key) else place.post,
    )


def _bytes(raw: str) -> bytes:
    return raw.encode("utf-8", "replace")


def _stay_away(response: http.Response, ttl_minutes: str = "") -> float | None:
    """Return how many seconds the server asks us to wait before the next fetch, or None."""
    max_age = _MAX_AGE.search(response.headers.get("cache-control", ""))
    asked = [float(max_age[1])] if max_age else []
    if re.fullmatch(r"[0-9]{1,6}", ttl_minutes):
        asked.append(float(ttl_minutes) * 60)
    longest = min(max(asked, default=0.0), MAX_STAY_AWAY)
    return longest or None


def _retry_after(response: http.Response) -> float | None:
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(float(value), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _first_answer(address: str, until: float) -> http.Response:
    """Fetch the address that a user typed. If it has no scheme, try https and then http."""
    _, secrets = separate(address)
    if _SCHEME.match(address):
        return _get(address, secrets, headers={}, deadline=_left(until))
    try:
        return _get(f"https://{address}", secrets, headers={}, deadline=_left(until) / 2)
    except ChannelError:
        return _get(f"http://{address}", secrets, headers={}, deadline=_left(until))


def _asked(response: http.Response, address: str) -> str:
    """Return the typed address with its scheme, which is used for later fetches.

    A temporary redirect does not change this address.
    """
    if _SCHEME.match(address.strip()):
        return address.strip()
    return f"{urlsplit(response.url).scheme}://{address.strip()}"


def _found(response: http.Response, address: str) -> Found:
    facts = _read_feed(response)
    shown, secrets = separate(address)
    items = tuple(_items(facts, scope(shown)))[:_MAX_SHOWN]
    return Found(shown, facts["title"] or shown, facts["version"], items, secrets)


def _linked(page: http.Response, until: float, secrets: Mapping[str, str]) -> list[Found]:
    """Return up to three feeds to which the page links.

    If the page links to feeds but none of them can be fetched, the last error is raised.
    """
    found: list[Found] = []
    last_error: ChannelError | None = None
    for address, _title in _parse("page", page)["links"][:_MAX_TRIED]:
        try:
            found.append(_try(join(address, secrets), until))
        except ChannelError as error:
            last_error = error
        if len(found) == _MAX_FOUND:
            break
    if last_error is not None and not found:
        raise ChannelError(f"The page links to a feed, but: {last_error.message}") from last_error
    return found


def _well_known(page: str, until: float) -> list[Found]:
    for path in _WELL_KNOWN:
        try:
            return [_try(urljoin(page, path), until)]
        except ChannelError:
            continue
    return []


def _try(address: str, until: float) -> Found:
    _, secrets = separate(address)
    response = _get(address, secrets, headers={}, deadline=min(_left(until), 10.0))
    _refuse(response)
    return _found(response, response.moved_to or address)


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.0)


CHANNEL = Channel(
    kind="feed",
    label=FEED.label,
    icon=FEED.icon,
    hears=_("blogs, forums, podcasts, every site with a feed"),
    listener=FeedListener(),
    moves=FeedMoves(),
    takes_headers=True,
)
