"""Read direct messages.

The network keeps a log of all conversations, in its own order, with a cursor. Before the log is
used for the first time, the conversations that exist already are read, a hundred messages of each.
The place in the log is noted before that, so that nothing is missed between the two.
"""

from __future__ import annotations

from typing import Any

from scrm.channels.base import Batch, ChannelError, Json
from scrm.channels.bluesky import read
from scrm.channels.bluesky.client import CHAT, Client, Row
from scrm.channels.bluesky.lookup import profiles
from scrm.channels.unreadable import UNREADABLE

CONVOS, MESSAGES, LOG_PAGES = 20, 100, 10

Found = list[tuple[str, Any]]
"""Pairs of a conversation and a message in it."""


def listen(client: Client, cursor: Json, self_key: str) -> Batch:
    if not cursor.get("log") or "convos" in cursor:
        found, following = _begin(client, cursor)
    else:
        found, following = _follow(client, cursor)
    people = _profiles(client, found)
    items, unreadable = {}, []
    for convo, view in found:
        try:
            item = read.message(view, convo, self_key, people)
        except UNREADABLE as error:
            unreadable.append(read.unreadable(view, error))
        else:
            items[item.key] = item
    more = following.pop("more", False) or "convos" in following
    return Batch(
        tuple(items.values()), following, not (items or unreadable), 0 if more else None,
        tuple(unreadable), sum(len(item.raw) for item in items.values()),
    )  # fmt: skip


def _begin(client: Client, cursor: Json) -> tuple[Found, dict[str, Any]]:
    """Read a page of conversations with their newest messages."""
    query = {"limit": CONVOS} | ({"cursor": cursor["convos"]} if cursor.get("convos") else {})
    answer = client.get("chat.bsky.convo.listConvos", query, service=CHAT)
    convos = [convo for convo in _list(client, answer, "convos") if _id(convo)]
    revs = [convo["rev"] for convo in convos if isinstance(convo.get("rev"), str)]
    log = cursor.get("log") or max(revs, default="")
    found: Found = []
    for convo in convos:
        found += newest(client, convo["id"])
    following = answer.get("cursor")
    if convos and isinstance(following, str) and following:
        return found, {"log": log, "convos": following}
    return found, {"log": log, "fresh": True} if log else {}


def _follow(client: Client, cursor: Json) -> tuple[Found, dict[str, Any]]:
    """Read what was added to the log."""
    log, more = str(cursor["log"]), False
    found: Found = []
    for _ in range(LOG_PAGES):
        answer = client.get("chat.bsky.convo.getLog", {"cursor": log}, service=CHAT)
        entries = _list(client, answer, "logs")
        found += [(str(entry["convoId"]), entry["message"]) for entry in entries if _is_new(entry)]
        following = answer.get("cursor")
        more = bool(entries) and isinstance(following, str) and following != log
        if not more:
            break
        log = str(following)
    if cursor.get("fresh"):
        # While the conversations were read page by page, one of these may have moved to a page
        # that had been read already.
        for convo in dict.fromkeys(convo for convo, _ in list(found)):
            found += newest(client, convo)
    if not more:
        return found, {"log": log}
    return found, {"log": log, "more": True, "fresh": bool(cursor.get("fresh"))}


def newest(client: Client, convo: str, cursor: str = "") -> Found:
    """Return the newest hundred messages of a conversation, newest first."""
    query: dict[str, Any] = {"convoId": convo, "limit": MESSAGES}
    if cursor:
        query["cursor"] = cursor
    answer = client.get("chat.bsky.convo.getMessages", query, service=CHAT)
    return [(convo, each) for each in _list(client, answer, "messages") if not _is_notice(each)]


def _is_new(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and str(entry.get("$type", "")).endswith("#logCreateMessage")
        and bool(entry.get("convoId"))
        and not _is_notice(entry.get("message"))
    )


def _is_notice(message: Any) -> bool:
    """Whether this is a deleted message or a notice of the network, not a message of a person."""
    kind = str(message.get("$type", "")) if isinstance(message, dict) else ""
    return kind.endswith(("#deletedMessageView", "#systemMessageView"))


def _id(convo: Any) -> str:
    value = convo.get("id") if isinstance(convo, dict) else None
    return value if isinstance(value, str) else ""


def _list(client: Client, answer: Row, name: str) -> list[Any]:
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise ChannelError(f"{client.host} returned something other than a list.")
    return rows


def _profiles(client: Client, found: Found) -> dict[str, Row]:
    senders = [view.get("sender") for _, view in found if isinstance(view, dict)]
    dids = read.dids({"author": sender} for sender in senders)
    return profiles(client, dids)
