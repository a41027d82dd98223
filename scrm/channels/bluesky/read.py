"""Turn posts, profiles and direct messages as the network returns them into items. Pure functions.

They raise KeyError, TypeError or ValueError if something necessary is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from scrm.channels.base import Author, Change, Item, UnreadableItem
from scrm.channels.bluesky.client import Row
from scrm.channels.bluesky.keys import POST, SITE, Uri
from scrm.channels.bluesky.richtext import expanded, mentioned

NETWORK = "bluesky"
_LONGEST_RAW = 200_000
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")

Profiles = Mapping[str, Row]
"""DID → the detailed profile."""


def post(view: Row, profiles: Profiles) -> Item:
    """Read a post. `view` is a `postView` or a notification, which have the same main fields."""
    uri = Uri.parse(view["uri"])
    record = view["record"]
    if uri.collection != POST or not isinstance(record, dict):
        raise ValueError(f"{uri} is not a post")
    parent, root = _reply(record, "parent"), _reply(record, "root")
    key, marks = str(uri), record.get("facets")
    to = Uri.parse(parent).repo if parent else ""
    return Item(
        scope=NETWORK,
        key=key,
        author=author(view["author"], profiles),
        text=text_of(record),
        url=uri.url,
        kind="comment" if parent else "post",
        # The date that the author states may be years off, and the item would then open no case.
        occurred_at=moment(view.get("indexedAt")) or moment(record.get("createdAt")),
        thread_key=root or parent or key,
        in_reply_to=parent,
        language=_language(record),
        raw=raw(view),
        mentions=tuple(dict.fromkeys([*([to] if to else []), *mentioned(marks)])),
        quotes=_quoted(record),
    )


def message(view: Row, convo: str, self_key: str, profiles: Profiles) -> Item:
    """Read a direct message of the conversation `convo`."""
    sender = view["sender"]["did"]
    number = view["id"]
    if not isinstance(number, str) or not number:
        raise ValueError("the message has no id")
    return Item(
        scope=NETWORK,
        key=message_key(convo, number),
        author=author({"did": sender}, profiles),
        text=text_of(view),
        url=convo_url(convo),
        kind="message",
        visibility="private",
        occurred_at=moment(view.get("sentAt")),
        thread_key=convo_key(convo),
        raw=raw(view),
        mentions=(self_key,) if self_key and sender != self_key else (),
    )


def author(basic: Row, profiles: Profiles) -> Author:
    """Read an author: from the detailed profile if it was fetched, else from the short one."""
    did = basic["did"]
    if not isinstance(did, str) or not did.startswith("did:"):
        raise ValueError(f"not a profile: {str(did)[:100]!r}")
    detailed = profiles.get(did)
    facts = {**basic, **(detailed or {})}
    reach = facts.get("followersCount")
    return Author(
        NETWORK,
        did,
        handle=_words(facts, "handle"),
        name=_words(facts, "displayName"),
        url=f"{SITE}/profile/{did}",
        reach=reach if type(reach) is int and 0 <= reach < 1 << 31 else None,
        verified=_verified(facts, known=detailed is not None),
        bio=_words(facts, "description"),
    )


def edit(view: Row) -> Change:
    return Change(
        NETWORK,
        str(Uri.parse(view["uri"])),
        "edited",
        text=text_of(view["record"]),
        raw=raw(view),
        occurred_at=moment(view.get("indexedAt")),
    )


def pictures(view: Row) -> Iterator[tuple[str, str]]:
    """Yield address and description of each picture of a `postView`."""
    embed = view.get("embed")
    media = embed.get("media") if isinstance(embed, dict) else None
    for shown in (embed, media):
        images = shown.get("images") if isinstance(shown, dict) else None
        for image in images if isinstance(images, list) else []:
            url = image.get("fullsize") if isinstance(image, dict) else None
            if isinstance(url, str) and url:
                yield url, _words(image, "alt")[:2000]


def unreadable(view: Any, error: Exception) -> UnreadableItem:
    return UnreadableItem(raw(view), f"This entry of Bluesky cannot be read: {error!r}"[:500])


def text_of(record: Row) -> str:
    text = record["text"]
    if not isinstance(text, str):
        raise TypeError("the text is no string")
    return expanded(text, record.get("facets"))


def dids(views: Iterable[Row]) -> list[str]:
    """Return the DIDs of the authors, each once."""
    authors = (view.get("author") for view in views)
    found = (each.get("did") for each in authors if isinstance(each, dict))
    return list(dict.fromkeys(did for did in found if isinstance(did, str) and did))


def raw(view: Any) -> bytes:
    return json.dumps(view, ensure_ascii=True, default=str).encode()[:_LONGEST_RAW]


def moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not _TIME.fullmatch(value[:40]):
        return None
    try:
        return datetime.fromisoformat(value[:40].upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def convo_key(convo: str) -> str:
    return f"dm:{convo}"


def message_key(convo: str, number: str) -> str:
    return f"dm:{convo}:{number}"


def convo_url(convo: str) -> str:
    return f"{SITE}/messages/{convo}"


def convo_of(key: str) -> tuple[str, str]:
    """Return the conversation and the message id of a key; "" where the key has none."""
    kind, _, rest = key.partition(":")
    convo, _, number = rest.partition(":")
    return (convo, number) if kind == "dm" else ("", "")


def _reply(record: Row, name: str) -> str:
    """Return the address of the answered post, or of the first post of the thread; "" if none."""
    reply = record.get("reply")
    ref = reply.get(name) if isinstance(reply, dict) else None
    uri = ref.get("uri") if isinstance(ref, dict) else None
    return str(Uri.parse(uri)) if uri else ""


def _quoted(record: Row) -> str:
    """Return the address of the quoted post; with pictures, it stands one level deeper."""
    at: Any = record.get("embed")
    for _ in range(2):
        at = at.get("record") if isinstance(at, dict) else None
        if isinstance(at, dict) and isinstance(at.get("uri"), str):
            return f"{at['uri']}" if f"/{POST}/" in at["uri"] else ""
    return ""


def _language(record: Row) -> str:
    langs = record.get("langs")
    first = langs[0] if isinstance(langs, list) and langs else ""
    return first[:20] if isinstance(first, str) else ""


def _verified(facts: Row, *, known: bool) -> bool | None:
    """Whether the network verified the author; None if only a short profile is known."""
    states = facts.get("verification")
    if not isinstance(states, dict):
        return False if known else None
    return "valid" in (states.get("verifiedStatus"), states.get("trustedVerifierStatus"))


def _words(facts: Row, name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""
