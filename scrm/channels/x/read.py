"""Read posts and direct messages of X as items. Pure: asks no server.

The JSON is outside data: each function raises ValueError if a needed field is missing or wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

from scrm.channels.base import Author, Change, Item
from scrm.text.clean import safe_url, storable

NETWORK = "x"
SITE = "https://x.com"
MESSAGE = "dm:"
"""Keys of direct messages and of their conversations begin with this."""
_EPOCH_MS = 1_288_834_974_657
_FIRST_SNOWFLAKE = 30_000_000_000
"""Older ids were counted up and contain no time."""
_SHORT = re.compile(r"https?://t\.co/[A-Za-z0-9]{1,60}")
_HANDLE = re.compile(r"[A-Za-z0-9_]{1,50}")
_NO_LANGUAGE = {"und", "zxx", "art", "qam", "qct", "qht", "qme", "qst"}
_LONGEST_ID = 20

Row = Mapping[str, Any]
Rows = Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class Post:
    """A post as X returned it: its item, its own id, and the pictures to download.

    The key of the item is the id of the first version of the post. `latest` is the id of this
    version; every edit gives a post a new id.
    """

    item: Item
    latest: str
    pictures: tuple[tuple[str, str], ...] = ()

    @property
    def change(self) -> Change | None:
        """The edit that this version is, or None if it is the first version."""
        if self.latest == self.item.key:
            return None
        item = self.item
        return Change(
            item.scope, item.key, "edited", text=item.text, raw=item.raw,
            occurred_at=snowflake_time(self.latest) or item.occurred_at,
        )  # fmt: skip


def id_of(value: Any) -> str:
    """Return an id as a string of digits. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        value = str(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_ID:
        return value
    raise ValueError(f"{str(value)[:40]!r} is not an id.")


def snowflake_time(number: str) -> datetime | None:
    """Return the time that an id of X contains, or None if it contains none."""
    if int(number) < _FIRST_SNOWFLAKE:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=(int(number) >> 22) + _EPOCH_MS)


def snowflake_at(moment: datetime) -> int:
    """Return the lowest id of a post that was written at this time."""
    return max(0, int(moment.timestamp() * 1000) - _EPOCH_MS) << 22


def is_retweet(row: Row) -> bool:
    return bool(_referenced(row, "retweeted"))


def read_post(row: Any, users: Rows, media: Rows) -> Post:
    """Read a post. Raises ValueError.

    A post of a protected account is private, because only its approved followers may see it.
    """
    if not isinstance(row, Mapping):
        raise ValueError("A post is not an object.")
    latest = id_of(row.get("id"))
    key = _first_version(row) or latest
    author = read_author(row.get("author_id"), users)
    text, entities = _words(row)
    is_protected = users.get(author.key, {}).get("protected") is True
    url = f"{SITE}/{author.handle or 'i'}/status/{latest}"
    item = Item(
        scope=NETWORK,
        key=key,
        author=author,
        text=expanded(text, entities),
        url=url,
        kind="post",
        visibility="private" if is_protected else "public",
        occurred_at=_moment(row, key),
        thread_key=_optional_id(row.get("conversation_id")) or key,
        in_reply_to=_referenced(row, "replied_to"),
        language=_language(row.get("lang")),
        raw=raw_of(row),
        mentions=_mentions(row, entities),
        quotes=_referenced(row, "quoted"),
    )
    return Post(item, latest, _pictures(row, media))


def read_message(row: Any, users: Rows, media: Rows) -> Post:
    """Read a direct message. Raises ValueError."""
    if not isinstance(row, Mapping):
        raise ValueError("A message is not an object.")
    number = id_of(row.get("id"))
    author = read_author(row.get("sender_id"), users)
    conversation = row.get("dm_conversation_id")
    if not isinstance(conversation, str) or not conversation:
        raise ValueError("A message belongs to no conversation.")
    text = row.get("text") or ""
    if not isinstance(text, str):
        raise ValueError("A message has no text.")
    thread = f"{MESSAGE}{conversation}"
    item = Item(
        scope=NETWORK,
        key=f"{MESSAGE}{number}",
        author=author,
        text=expanded(text, row.get("entities")),
        kind="message",
        visibility="private",
        occurred_at=_moment(row, number),
        thread_key=thread,
        raw=raw_of(row),
        mentions=tuple(person for person in two_people(thread) if person != author.key),
    )
    return Post(item, item.key, _pictures(row, media))


def two_people(thread_key: str) -> tuple[str, ...]:
    """Return the ids of the two people who write to each other; empty if it is another thread.

    The key of their conversation is made of their ids, and that of a group is one number.
    """
    people = tuple(thread_key.removeprefix(MESSAGE).split("-"))
    is_pair = len(people) == 2 and all(_optional_id(person) for person in people)
    return people if is_pair and thread_key.startswith(MESSAGE) else ()


def read_author(key: Any, users: Rows) -> Author:
    """Read a profile; only its key is known if X did not include it. Raises ValueError."""
    number = id_of(key)
    user = users.get(number, {})
    handle = _string(user.get("username"))
    handle = handle if _HANDLE.fullmatch(handle) else ""
    metrics = user.get("public_metrics")
    reach = metrics.get("followers_count") if isinstance(metrics, Mapping) else None
    verified = user.get("verified")
    described = user.get("entities")
    bio = described.get("description") if isinstance(described, Mapping) else None
    return Author(
        NETWORK,
        number,
        handle=handle,
        name=_string(user.get("name"))[:200],
        url=f"{SITE}/{handle}" if handle else f"{SITE}/i/user/{number}",
        reach=reach if isinstance(reach, int) and not isinstance(reach, bool) else None,
        verified=verified if isinstance(verified, bool) else None,
        bio=expanded(_string(user.get("description"))[:2000], bio),
        place=unescape(_string(user.get("location")))[:200],
    )


def expanded(text: str, entities: Any) -> str:
    """Return the text with resolved entities and with full links.

    X replaces every link by a short one. The short link of an attached picture is left out.
    """
    full: dict[str, str] = {}
    for row in _listed(entities, "urls"):
        short, link = _string(row.get("url")), safe_url(_string(row.get("expanded_url"))[:4000])
        if short and link:
            full[short] = "" if row.get("media_key") else link
    # X escapes "&", "<" and ">" in the text but not in the links, so this comes first.
    words = unescape(storable(text))
    return _SHORT.sub(lambda found: full.get(found[0], found[0]), words).strip()


def raw_of(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _words(row: Row) -> tuple[str, Any]:
    """Return the text of a post and its entities; a long post has them in `note_tweet`."""
    note = row.get("note_tweet")
    if isinstance(note, Mapping) and isinstance(note.get("text"), str) and note["text"]:
        return note["text"], note.get("entities") or row.get("entities")
    if not isinstance(row.get("text"), str):
        raise ValueError("A post has no text.")
    return row["text"], row.get("entities")


def _first_version(row: Row) -> str:
    history = row.get("edit_history_tweet_ids")
    ids = [_optional_id(number) for number in history] if isinstance(history, list) else []
    return min((number for number in ids if number), key=int, default="")


def _referenced(row: Row, kind: str) -> str:
    rows = row.get("referenced_tweets")
    for reference in rows if isinstance(rows, list) else []:
        if isinstance(reference, Mapping) and reference.get("type") == kind:
            return _optional_id(reference.get("id"))
    return ""


def _mentions(row: Row, entities: Any) -> tuple[str, ...]:
    named = [_optional_id(mention.get("id")) for mention in _listed(entities, "mentions")]
    answered = _optional_id(row.get("in_reply_to_user_id"))
    return tuple(dict.fromkeys(filter(None, [*named, answered])))


def _pictures(row: Row, media: Rows) -> tuple[tuple[str, str], ...]:
    """Return the address and the description of each attached picture."""
    attached = row.get("attachments")
    keys = attached.get("media_keys") if isinstance(attached, Mapping) else None
    known = [media.get(str(key), {}) for key in keys] if isinstance(keys, list) else []
    return tuple(
        (link, _string(picture.get("alt_text"))[:2000])
        for picture in known
        if picture.get("type") == "photo" and (link := safe_url(_string(picture.get("url"))))
    )


def _moment(row: Row, number: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_string(row.get("created_at"))[:40])
    except ValueError:
        return snowflake_time(number)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _language(code: Any) -> str:
    code = _string(code)
    return "" if code in _NO_LANGUAGE else code[:20]


def _listed(entities: Any, kind: str) -> list[Row]:
    rows = entities.get(kind) if isinstance(entities, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _optional_id(value: Any) -> str:
    try:
        return id_of(value)
    except ValueError:
        return ""


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
