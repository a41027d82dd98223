"""Read the posts of our blog and its comments, including comments that wait for moderation.

Comments are read newest first. A fetch stops at the comments that an earlier fetch has already
read. Consecutive pages of results overlap, so that no comment is missed if another comment is
deleted during the fetch. If there are too many pages, the next fetch reads the rest. Every fetch
reads the newest hundred comments again. Thus a comment is also found after an editor has moved it
out of the spam, and an edit is noticed. If one of these comments is missing, it is looked up: it
may have been deleted, moved to the trash or marked as spam.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import unquote, urlsplit

from scrm.channels.base import (
    Author,
    Batch,
    Change,
    Credentials,
    FetchRequest,
    Found,
    Item,
    Json,
    UnreadableItem,
)
from scrm.channels.permalink import comment_key, comment_number, guid_key
from scrm.channels.unreadable import UNREADABLE
from scrm.channels.wordpress.site import Answer, Site, reading_answers
from scrm.text.clean import clean, plain, safe_url

COMMENTS, POSTS, OVERLAP, PAGES = 100, 20, 10, 10
LOOKUPS = 20
"""So many missing comments are looked up in one fetch; the next fetch looks up the others."""
HELD = "held for moderation on the blog"
_POST_FIELDS = "id,guid,link,title,content,date_gmt,modified_gmt,author,status"
_COMMENT_FIELDS = (
    "id,post,parent,author,author_name,author_email,author_url,date_gmt,content,link,status,type,"
    "_links"
)
_TYPES = {
    "comment": "Comment",
    "review": "Comment",
    "pingback": "Pingback",
    "trackback": "Trackback",
}
"""Types of comments → how their titles begin. Plugins store other data as other types."""
_PINGS = ("pingback", "trackback")
_PUBLIC = ("approved", "hold")
"""The states of a comment that was not removed."""
_ROUTE, _LONGEST_ROUTE = re.compile(r"/wp/v2/([a-z0-9_/-]+)/([0-9]+)"), 500

Row = dict[str, Any]


class WordPressListener:
    @reading_answers(changes=False)
    def listen(self, request: FetchRequest) -> Batch:
        site = Site.of(request.credentials)
        account = request.credentials or Credentials("")
        pages: list[Answer] = []

        def page_at(offset: int) -> list[Row]:
            pages.append(_comments(site, offset))
            return pages[-1].rows

        comments, comment_cursor = _sweep(
            page_at, request.cursor.get("comments", {}), _number, COMMENTS
        )
        posts, post_cursor = _sweep(
            lambda offset: _posts(site, "modified", offset), request.cursor.get("posts", {}),
            _modified, POSTS,
        )  # fmt: skip
        # when a scheduled post is published, its time of modification does not change
        posts += _posts(site, "date", 0)
        raw = json.dumps([comments, posts]).encode()
        mark = sha256(raw).hexdigest()
        watched = dict(request.cursor.get("watched", ()))
        # A plugin can remove rows from a page: their number does not tell if it is the last.
        total = pages[0].total
        is_all = not comments if total is None else total <= COMMENTS
        changes, settled = _removed(site, account, watched, comments, is_all=is_all)
        watched = {number: key for number, key in watched.items() if number not in settled}
        cursor: dict[str, Any] = {"comments": comment_cursor, "posts": post_cursor, "hash": mark}
        cursor["pings_since"] = pings_since = _pings_since(request.cursor)
        if mark == request.cursor.get("hash"):
            cursor["watched"] = _newest(watched)
            return Batch(cursor=cursor, unchanged=not changes, changes=changes)
        comments = [row for row in comments if _is_heard(row, pings_since)]
        # With an editor's login, posts that are protected by a password are readable too.
        posts = [post for post in posts if not _needs_password(post)]
        known = _CommentedPost.all(posts)
        known |= _parents(site, comments, known)
        items, unreadable = _read(
            [
                *((post, lambda row: _post(row, account)) for post in posts),
                *((row, lambda row: _comment(row, account, known)) for row in comments),
            ]
        )
        watched |= {str(number): item.key for item in items if (number := comment_number(item.key))}
        cursor["watched"] = _newest(watched)
        unchanged = not items and not changes
        return Batch(items, cursor, unchanged, None, unreadable, len(raw), changes)

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:  # noqa: ARG002
        if credentials is None:
            return []
        request = FetchRequest(credentials.address, credentials=credentials)
        items = self.listen(request).items
        newest = sorted(items, key=lambda item: item.occurred_at or _EVER, reverse=True)
        title = f"Comments and posts of {credentials.address}"
        return [Found(credentials.address, title, "wordpress", tuple(newest[:20]))]


_EVER = datetime(1, 1, 1, tzinfo=UTC)


def _pings_since(cursor: Json) -> str:
    """Return the date before which pingbacks and trackbacks are left out, in UTC; "" for none.

    Earlier versions of scrm did not read them. After an upgrade, those of years would count as new.
    """
    if not cursor or "watched" in cursor:
        return str(cursor.get("pings_since", ""))
    return (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")


def _is_heard(row: Row, pings_since: str) -> bool:
    """Return whether a comment becomes an item; a row that cannot be read is quarantined later."""
    kind = row.get("type", "comment")
    if kind in _PINGS:
        return str(row.get("date_gmt")) >= pings_since
    return not isinstance(kind, str) or kind in _TYPES


def _removed(
    site: Site, account: Credentials, watched: dict[str, str], rows: list[Row], *, is_all: bool
) -> tuple[tuple[Change, ...], set[str]]:
    """Look up the watched comments that are missing among the newest comments.

    Returns the deletions, and the numbers of the comments that are not to be watched further.
    watched: number of each comment → its key. rows: the comments that were read, newest first.
    is_all: whether the blog has no further comments.
    """
    there = {_number(row) for row in rows}
    # An older comment is not missing: it is only no longer among those that every fetch reads.
    oldest = 0 if is_all or not rows else min(map(_number, rows[:COMMENTS]))
    missing = [number for number in watched if int(number) not in there and int(number) >= oldest]
    changes, settled = [], set()
    for number in missing[:LOOKUPS]:
        answer = site.get(f"comments/{number}", context="edit", _fields="id,status")
        if _is_removed(answer):
            changes.append(Change(account.network, watched[number], "deleted"))
            settled.add(number)
        elif answer.status == 403:
            # Our user may not read this comment, for example because it is below a private post.
            settled.add(number)
    return tuple(changes), settled


def _is_removed(answer: Answer) -> bool:
    """Return whether a comment was deleted, moved to the trash or marked as spam.

    Another error is no deletion: a plugin or a firewall can close the route.
    """
    if answer.status == 404:
        return answer.code == "rest_comment_invalid_id"
    state = answer.data.get("status") if answer.ok and isinstance(answer.data, dict) else None
    return isinstance(state, str) and state not in _PUBLIC


def _newest(watched: dict[str, str]) -> list[tuple[str, str]]:
    """Return the newest comments of those to watch."""
    return sorted(watched.items(), key=lambda pair: int(pair[0]), reverse=True)[:COMMENTS]


def _comments(site: Site, offset: int) -> Answer:
    return site.get(
        "comments",
        status="all", type="all", context="edit", orderby="id", order="desc", per_page=COMMENTS,
        offset=offset, _fields=_COMMENT_FIELDS,
    )  # fmt: skip


def _posts(site: Site, by: str, offset: int) -> list[Row]:
    return site.get(
        "posts",
        status="publish", context="edit", orderby=by, order="desc", per_page=POSTS,
        offset=offset, _fields=_POST_FIELDS,
    ).rows  # fmt: skip


def _needs_password(post: Row) -> bool:
    """Return whether readers need a password for this post.

    An editor's login can read the post without this password.
    """
    content = post.get("content")
    return isinstance(content, dict) and bool(content.get("protected"))


def _number(row: Row) -> int:
    return int(row["id"])


def _modified(row: Row) -> str:
    return str(row["modified_gmt"])


def _sweep(
    page_at: Callable[[int], list[Row]], cursor: Json, mark: Callable[[Row], Any], size: int
) -> tuple[list[Row], dict[str, Any]]:
    """Read rows, newest first, until `cursor["floor"]` is reached; return them and the next cursor.

    A sweep reads all rows that are newer than the floor; it can take several fetches. The floor is
    the mark of the newest row of the last complete sweep, so older rows are already known. A fetch
    stops after `PAGES` further pages. The next fetch then reads the first page again and continues
    the sweep at `cursor["offset"]`. If rows are added in the meantime, some rows are read twice. If
    up to `OVERLAP` rows are deleted between two pages, no row is missed, because the pages overlap.
    page_at: returns the page of rows that begins at an offset.
    mark: returns the value by which rows are ordered.
    size: the number of rows of a full page.
    """
    floor, top = cursor.get("floor"), cursor.get("top")
    rows = page = page_at(0)
    if not rows:
        return [], {"floor": floor}
    newest = max(map(mark, rows))
    top, offset = (top, int(cursor["offset"])) if top is not None else (newest, 0)
    if offset:
        page = page_at(offset)
        rows = rows + page
    for _ in range(PAGES):
        if len(page) < size or (floor is not None and min(map(mark, page)) <= floor):
            return rows, {"floor": top}
        offset += size - OVERLAP
        page = page_at(offset)
        rows = rows + page
    return rows, {"floor": floor, "top": top, "offset": offset}


@dataclass(frozen=True, slots=True)
class _CommentedPost:
    """The post that a comment belongs to."""

    key: str
    title: str

    @classmethod
    def all(cls, rows: Iterable[Row]) -> dict[int, _CommentedPost]:
        """Return number of each post → post. Rows that cannot be read are left out."""
        found = {}
        for row in rows:
            try:
                if key := guid_key(str(row["guid"]["rendered"])):
                    found[int(row["id"])] = cls(key, _title(row))
            except UNREADABLE:
                continue
        return found


def _parents(
    site: Site, comments: Iterable[Row], known: dict[int, _CommentedPost]
) -> dict[int, _CommentedPost]:
    """Load the posts and pages that the comments belong to and that are not in `known`."""
    wanted: dict[str, set[int]] = {}
    for row in comments:
        up = (row.get("_links") or {}).get("up") or [{}]
        route = _ROUTE.search(unquote(str(up[0].get("href", "")))[:_LONGEST_ROUTE])
        if route and int(route[2]) not in known:
            wanted.setdefault(route[1], set()).add(int(route[2]))
    found: dict[int, _CommentedPost] = {}
    for kind, numbers in sorted(wanted.items()):
        every = sorted(numbers)
        for start in range(0, len(every), 100):
            answer = site.get(
                kind,
                include=",".join(map(str, every[start : start + 100])), per_page=100,
                status="any", context="edit", _fields="id,guid,link,title",
            )  # fmt: skip
            found |= _CommentedPost.all(answer.rows if answer.ok else [])
    return found


def _read(
    rows: Iterable[tuple[Row, Callable[[Row], Item]]],
) -> tuple[tuple[Item, ...], tuple[UnreadableItem, ...]]:
    """Return the items of the rows, and the rows that cannot be read as items.

    A row cannot be read if fields are missing, for example because of a plugin of the blog.
    """
    items, unreadable = {}, []
    for row, read in rows:
        try:
            item = read(row)
        except UNREADABLE as error:
            unreadable.append(
                UnreadableItem(_raw(row), f"This answer of the blog cannot be read: {error!r}")
            )
        else:
            items[item.key] = item
    return tuple(items.values()), tuple(unreadable)


def _post(row: Row, account: Credentials) -> Item:
    html = str(row["content"]["rendered"])
    key = guid_key(row["guid"]["rendered"])
    return Item(
        scope=account.network,
        key=key,
        author=Author(account.network, f"user-{int(row['author'])}"),
        title=_title(row),
        text=plain(html),
        html=clean(html),
        url=_url(row),
        kind="post",
        occurred_at=_moment(row),
        thread_key=key,
        raw=_raw(row),
        content_hash=_content_hash(row),
        edited_at=_moment(row, "modified_gmt"),
    )


def _comment(row: Row, account: Credentials, known: dict[int, _CommentedPost]) -> Item:
    number, post, parent = int(row["id"]), int(row["post"]), int(row.get("parent") or 0)
    home = guid_key(account.address).partition("?")[0].rstrip("/")
    under = known.get(post) or _CommentedPost(f"{home}/?p={post}", "")
    html, author = str(row["content"]["rendered"]), _author(row, account)
    what = _TYPES[str(row.get("type", "comment"))]
    title = f"{what} on “{under.title}”" if under.title else what
    return Item(
        scope=account.network,
        key=comment_key(under.key, number),
        author=author,
        title=f"{title} · {HELD}" if row["status"] == "hold" else title,
        text=plain(html),
        html=clean(html),
        url=_url(row),
        kind="comment",
        occurred_at=_moment(row),
        thread_key=under.key,
        in_reply_to=comment_key(under.key, parent) if parent else under.key,
        raw=_raw(row),
        content_hash=_content_hash(row),
    )


def _author(row: Row, account: Credentials) -> Author:
    """Return the author of a comment.

    The key of a user of the blog contains the user's number. The key of a guest contains the mail
    address, or the name if there is no address. The author of a pingback or a trackback is the site
    that links to the post; its name is the title of the page there.
    """
    name = " ".join(plain(str(row.get("author_name") or "")).split())
    email = str(row.get("author_email") or "").strip().lower()
    user = int(row.get("author") or 0)
    key = f"user-{user}" if user else f"mail:{email}" if email else f"name:{name}"
    url = safe_url(str(row.get("author_url") or ""))
    if row.get("type") in _PINGS and (host := urlsplit(url).hostname):
        return Author(account.network, f"site:{host}", handle=host, name=name, url=url)
    return Author(account.network, key, handle=email, name=name, url=url)


def _title(row: Row) -> str:
    return " ".join(plain(str((row.get("title") or {}).get("rendered") or "")).split())[:300]


def _url(row: Row) -> str:
    return safe_url(unescape(str(row.get("link") or "")))


def _moment(row: Row, field: str = "date_gmt") -> datetime | None:
    try:
        return datetime.fromisoformat(str(row.get(field))).replace(tzinfo=UTC)
    except ValueError:
        return None


def _content_hash(row: Row) -> str:
    """Return a hash of title and content as they were written, before plugins change them."""
    parts = [(row.get(name) or {}) for name in ("title", "content")]
    written = "\0".join(str(part.get("raw", part.get("rendered", ""))) for part in parts)
    return sha256(written.encode("utf-8", "replace")).hexdigest()


def _raw(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
