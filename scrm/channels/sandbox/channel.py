"""The sandbox channel, with which scrm reads and writes on the simulated networks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import uuid4

from django.db.backends.utils import CursorWrapper

from scrm.channels.base import (
    Author,
    Batch,
    Change,
    ChannelError,
    Credentials,
    FetchRequest,
    Found,
    Idempotence,
    Item,
    Lookup,
    Outgoing,
    Receipt,
    Visibility,
)
from scrm.channels.channel import Channel
from scrm.channels.sandbox.models import Post, PostChange
from scrm.channels.sandbox.moderate import SandboxModerator
from scrm.channels.sandbox.networks import (
    BLOG,
    FACTS,
    FEED,
    FORM,
    MAIL,
    MICROBLOG,
    SOCIAL,
)
from scrm.channels.sandbox.remote import (
    SITE,
    apply_fault,
    by_key,
    changes_after,
    last_change,
    publish,
    remove,
    rewrite,
    select,
    url_of,
    wire,
)

MAX_ITEMS = 500
OVERLAP = 50
"""Rows commit out of order, so each fetch reads the last few numbers again."""

_ON_SOCIAL = {"search": "Public posts", "mentions": "Mentions, replies and messages to us"}
_OFFERS: dict[str, dict[str, str]] = {
    **dict.fromkeys(SOCIAL, _ON_SOCIAL),
    MAIL: {"inbox": "Our mailbox"},
    BLOG: {"comments": "Comments on our blog"},
    FORM: {"forms": "Submitted web forms"},
    FEED: {"entries": "Entries of the feed"},
}
"""Network → address → title of each source that the network offers."""
_WITHOUT_ACCOUNT = ("search", "entries", "forms")


class SandboxSpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:
        default = "key" if credentials.network == MAIL else "lookup"
        return cast(Idempotence, credentials.config.get("idempotence", default))

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        parts = outgoing.parts or (outgoing.text,)
        _refuse_long(credentials.network, parts)
        # In autocommit, because the post must stay stored even if the answer is lost afterwards.
        with wire() as cursor:
            fault = apply_fault(cursor, credentials.network, "send")
            posts = [publish(cursor, self._post(credentials, outgoing, parts[0]))]
            for part in parts[1:]:
                answer = replace(outgoing, in_reply_to=posts[-1].key)
                posts.append(publish(cursor, self._post(credentials, answer, part)))
        if fault and fault.mode == "answer lost":
            raise ChannelError("The sandbox did not answer in time.", uncertain=True)
        return _receipt(posts)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        if self.idempotence(credentials) == "none":
            return Lookup.CANNOT_TELL
        with wire() as cursor:
            apply_fault(cursor, credentials.network, "find")
            clause = "WHERE nonce = %s AND nonce <> '' AND network = %s ORDER BY seq"
            found = select(cursor, clause, [outgoing.nonce, credentials.network])
        if not found:
            return Lookup.ABSENT
        return _receipt([post for post in found if post.thread_key == found[0].thread_key])

    def _post(self, credentials: Credentials, outgoing: Outgoing, text: str) -> Post:
        """Build the post for a text that we send, or for a part of it.

        If the idempotence of the network is "key", the nonce becomes the key of the post.
        """
        keyed = self.idempotence(credentials) == "key"
        private = outgoing.visibility == "private"
        mail = credentials.network == MAIL
        handle = credentials.address.lstrip("@") or credentials.self_key
        return Post(
            network=credentials.network,
            key=outgoing.nonce if keyed else uuid4().hex,
            thread_key=outgoing.thread_key,
            parent_key=outgoing.in_reply_to,
            author_key=credentials.self_key,
            author_handle=handle,
            author_name=credentials.config.get("name", handle),
            author_url="" if mail else f"{SITE}/@{handle}",
            title=outgoing.subject if FACTS[credentials.network].titles else "",
            text=text,
            visibility="private" if mail else outgoing.visibility,
            to_key=outgoing.destination if private or mail else "",
            nonce=outgoing.nonce,
        )


def _refuse_long(network: str, parts: Sequence[str]) -> None:
    rules = FACTS[network].text
    for part in parts:
        if rules.excess(part):
            raise ChannelError(
                f"The text has {rules.count(part)} characters; the limit is {rules.max_length}.",
                permanent=True,
            )


@dataclass(frozen=True, slots=True)
class SandboxEditor:
    """can_amend: whether the network lets apps edit posts."""

    can_amend: bool = True

    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        if not self.can_amend:
            raise ChannelError(
                "This network does not let apps edit posts. Delete the post and publish a new one.",
                permanent=True,
            )
        title = outgoing.subject if FACTS[credentials.network].titles else ""
        with wire() as cursor:
            fault = apply_fault(cursor, credentials.network, "send")
            found = rewrite(cursor, receipt.scope, receipt.key, title, outgoing.text)
        if fault and fault.mode == "answer lost":
            raise ChannelError("The sandbox did not answer in time.", uncertain=True)
        if not found:
            raise ChannelError("The post was deleted on the sandbox.", permanent=True)
        return receipt

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        with wire() as cursor:
            fault = apply_fault(cursor, credentials.network, "send")
            remove(cursor, receipt.scope, receipt.key)
        if fault and fault.mode == "answer lost":
            raise ChannelError("The sandbox did not answer in time.", uncertain=True)


@dataclass(frozen=True, slots=True)
class SandboxListener:
    """home: the network that is fetched without an account.

    paid: the operation that the network charges for each item, or "".
    """

    home: str = MICROBLOG
    paid: str = ""

    def listen(self, request: FetchRequest) -> Batch:
        """Return at most 500 items.

        The last few items are returned again at every fetch. The caller skips items that it knows.
        """
        what, _, words = request.address.partition(":")
        network = request.credentials.network if request.credentials else self.home
        if what not in _OFFERS[network]:
            raise ChannelError(f"The sandbox has nothing at “{request.address}”.", permanent=True)
        us = _self(request.credentials, network)
        if not us.key and what not in _WITHOUT_ACCOUNT:
            raise ChannelError(f"“{what}” needs one of our accounts on {network}.", permanent=True)
        seen = int(request.cursor.get("seq", 0))
        with wire() as cursor:
            fault = apply_fault(cursor, network, "listen")
            # Before the posts: an edit that is committed in between is reported by the next fetch.
            changes, reported = _changes(cursor, network, us, request.cursor.get("changes"))
            times = 2 if fault and fault.mode == "duplicate" else 1
            posts = select(
                cursor,
                "WHERE network = %s AND seq > %s ORDER BY seq LIMIT %s",
                [network, seen - OVERLAP * times, MAX_ITEMS // times],
            )
        wanted = words.casefold().split()
        if request.max_items is not None:
            new = [post.seq for post in posts if post.seq > seen][: request.max_items]
            posts = [post for post in posts if post.seq <= max([seen, *new])]
        found = [post for post in posts if _is_wanted(post, what, wanted, us)]
        items = tuple(_item(post, us) for post in found) * times
        paid = sum(post.seq > seen for post in found)
        return Batch(
            items=items,
            cursor={
                "seq": max([seen, *(post.seq for post in posts)]),
                "changes": reported,
            },
            unchanged=not (items or changes),
            size=sum(len(item.raw) for item in items),
            changes=changes,
            usage={self.paid: paid} if self.paid and paid else {},
        )

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        """Return the addresses that an account can fetch.

        Without an account, only the public search is returned. If `address` is a search for words
        (`search:…`), this search is added as the first address.
        """
        network = credentials.network if credentials else self.home
        offers = {
            offer: f"{title} on the simulated {FACTS[network].label}"
            for offer, title in _OFFERS[network].items()
            if credentials or offer in _WITHOUT_ACCOUNT
        }
        found = [Found(offer, title, network) for offer, title in offers.items()]
        if address.startswith("search:") and "search" in offers:
            words = address.removeprefix("search:").strip()
            found.insert(0, Found(address, f"{offers['search']} with: {words}", network))
        return found


class SandboxThreads:
    def thread(
        self, credentials: Credentials, key: str, *, max_items: int = 100
    ) -> tuple[Item, ...]:
        network = credentials.network
        with wire() as cursor:
            apply_fault(cursor, network, "thread")
            post = by_key(cursor, network, key)
            if post is None:
                raise ChannelError("The post was deleted on the sandbox.", permanent=True)
            clause = "WHERE network = %s AND thread_key = %s AND visibility = %s"
            found = select(
                cursor,
                f"{clause} ORDER BY created_at, seq LIMIT %s",
                [network, post.thread_key, "public", max_items],
            )
        return tuple(_item(post, _self(credentials, network)) for post in found)


@dataclass(frozen=True, slots=True)
class _Self:
    """Our own profile on one network. The key is "" if we have no profile there."""

    key: str = ""
    handle: str = ""

    def is_party(self, post: Post) -> bool:
        return self.key != "" and self.key in (post.author_key, post.to_key)

    def is_named(self, text: str) -> bool:
        names = "|".join(re.escape(name) for name in (self.key, self.handle) if name)
        return bool(names and re.search(rf"(?i)(?<!\w)@(?:{names})(?!\w)", text))


def _self(credentials: Credentials | None, network: str) -> _Self:
    if credentials is None or credentials.network != network:
        return _Self()
    if network == MAIL:
        return _Self(credentials.self_key.lower())
    return _Self(credentials.self_key, credentials.address.lstrip("@"))


def _is_wanted(post: Post, what: str, words: list[str], us: _Self) -> bool:
    public = post.visibility == "public"
    if what == "search":
        text = post.text.casefold()
        return public and (not words or any(word in text for word in words))
    if what == "mentions":
        return us.is_party(post) or (public and us.is_named(post.text))
    return what in ("comments", "entries", "forms") or us.is_party(post)


def _changes(
    cursor: CursorWrapper, network: str, us: _Self, reported: Any
) -> tuple[tuple[Change, ...], list[int]]:
    """Return the new changes of others' posts, and the numbers of the last reported changes.

    reported: the numbers that the last fetch returned; None at the first fetch, whose posts are
    already read as they are now.
    """
    newest = last_change(cursor) if reported is None else max(reported, default=0)
    found = changes_after(cursor, network, newest - OVERLAP, by_other_than=us.key, limit=MAX_ITEMS)
    new = [] if reported is None else [row for row in found if row.seq not in set(reported)]
    newest = max([newest, *(row.seq for row in found)])
    numbers = {*(reported or []), *(row.seq for row in found)}
    return tuple(map(_change, new)), sorted(seq for seq in numbers if seq > newest - OVERLAP)


def _change(row: PostChange) -> Change:
    kind = cast(Literal["edited", "deleted"], row.kind)
    return Change(
        row.network, row.key, kind, title=row.title, text=row.text, occurred_at=row.created_at
    )


def _item(post: Post, us: _Self) -> Item:
    return Item(
        scope=post.network,
        key=post.key,
        author=Author(
            post.network,
            post.author_key,
            handle=post.author_handle,
            name=post.author_name,
            url=post.author_url,
            reach=post.author_reach,
        ),
        text=post.text,
        title=post.title,
        url=url_of(post.network, post.key),
        kind=_kind(post),
        visibility=cast(Visibility, post.visibility),
        occurred_at=post.created_at,
        thread_key=post.thread_key,
        in_reply_to=post.parent_key,
        mentions=(us.key,) if us.is_named(post.text) else (),
        raw=_raw(post, ours=post.author_key == us.key),
    )


def _kind(post: Post) -> str:
    if post.network == FORM:
        return "form"
    if post.visibility == "private":
        return "message"
    return "comment" if post.network == BLOG and post.parent_key else "post"


def _raw(post: Post, *, ours: bool) -> bytes:
    """Return the post as compact JSON. The nonce is included only if we wrote the post."""
    facts = {field.attname: getattr(post, field.attname) for field in Post._meta.concrete_fields}
    if not ours:
        del facts["nonce"]
    return json.dumps(facts, default=str, ensure_ascii=False, separators=(",", ":")).encode()


def _receipt(posts: Sequence[Post]) -> Receipt:
    first = posts[0]
    return Receipt(
        first.network,
        first.key,
        first.thread_key,
        url_of(first.network, first.key),
        thread_posts=tuple(post.key for post in posts) if len(posts) > 1 else (),
    )


CHANNEL = Channel(
    kind="sandbox",
    label="Sandbox",
    listener=SandboxListener(),
    speaker=SandboxSpeaker(),
    editor=SandboxEditor(),
    moderator=SandboxModerator(),
    threads=SandboxThreads(),
    # As on networks whose direct messages businesses may answer only for a day.
    reply_within=timedelta(hours=24),
)
