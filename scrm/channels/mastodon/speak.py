"""Post, reply and send direct messages.

The nonce is the idempotency key of a post: the server ignores a second post with the same key for
an hour. Later, `find` compares our own posts with the text. A thread is continued after a crash:
its posts that exist already are found first.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from scrm.channels.base import (
    ChannelError,
    Credentials,
    Idempotence,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.channels.mastodon import read
from scrm.channels.mastodon.added import counted
from scrm.channels.mastodon.client import Gone, Row, Server, checked_id, requested_id
from scrm.channels.mastodon.media import upload
from scrm.channels.mastodon.quote import check_quote, quoted_id, without_quoted_link
from scrm.channels.mastodon.words import addressed, is_same, mentions
from scrm.channels.network_facts import MASTODON_MAX_LENGTH
from scrm.text.clean import safe_url

PAGE, PAGES = 40, 3
_LOOK_BACK = timedelta(days=2)
_KEY_IS_KEPT = timedelta(hours=1)
SETTLE = timedelta(minutes=5)
"""The server may publish a post some seconds after our attempt ended. Five minutes are ample."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The posts to publish.

    warning: the content warning of the answered post, which a reply keeps.
    recipient: the id of the account that a direct message is for, or "".
    """

    texts: tuple[str, ...]
    visibility: str
    in_reply_to: str = ""
    quote: str = ""
    warning: str = ""
    recipient: str = ""


class MastodonSpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:  # noqa: ARG002
        return "key"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        server = Server.of(credentials)
        draft = _draft(server, credentials, outgoing)
        done: list[Row] = []
        if len(draft.texts) > 1:
            done = next(iter(_sent(_own_posts(server, credentials)[0], outgoing)), [])
        if not done:
            _check_length(server, credentials, outgoing, draft)
        media = [] if done else upload(server, credentials, outgoing.attachments)
        for index in range(len(done), len(draft.texts)):
            done.append(_publish(server, draft, outgoing.nonce, index, media, done))
        return _receipt(credentials, outgoing, done)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Compare our posts of the last two days with the text.

        A post that answers and quotes nothing may be an older one with the same text. Therefore it
        counts only if it is not older than an hour. An unfinished thread counts as absent, because
        `send` continues it. Raises ChannelError if the last attempt was so recent that a post may
        still be on its way.
        """
        server = Server.of(credentials)
        rows, is_complete = _own_posts(server, credentials)
        found = _sent(rows, outgoing)
        if not found:
            return _not_found(outgoing) if is_complete else Lookup.CANNOT_TELL
        if not (outgoing.in_reply_to or outgoing.quote) and (
            len(found) > 1 or not _is_recent(found[0][0])
        ):
            return Lookup.CANNOT_TELL
        whole = [posts for posts in found if len(posts) == len(_texts(outgoing))]
        return _receipt(credentials, outgoing, whole[0]) if whole else _not_found(outgoing)


def _not_found(outgoing: Outgoing) -> Lookup:
    if outgoing.tried_at is None:
        return Lookup.CANNOT_TELL
    if datetime.now(UTC) - outgoing.tried_at < SETTLE:
        raise ChannelError(
            "The text is not on the server yet, but it may still be on its way. scrm looks again.",
            retry_after=SETTLE.total_seconds(),
        )
    return Lookup.ABSENT


def _texts(outgoing: Outgoing) -> tuple[str, ...]:
    return outgoing.parts or (outgoing.text,)


def _draft(server: Server, credentials: Credentials, outgoing: Outgoing) -> Draft:
    """Look up the answered post and the recipient. Raises ChannelError; publishes nothing."""
    parent = _parent(server, outgoing.in_reply_to, otherwise="there is nothing left to reply to.")
    if outgoing.quote:
        quoted = _parent(server, outgoing.quote, otherwise="there is nothing left to quote.")
        check_quote(server, outgoing, quoted)
        return Draft(_texts(outgoing), _visibility(outgoing, quoted), quote=outgoing.quote)
    draft = Draft(
        _texts(outgoing),
        _visibility(outgoing, parent),
        in_reply_to=outgoing.in_reply_to,
        warning=str(parent.get("spoiler_text") or ""),
    )
    account = _recipient(server, outgoing, parent)
    own_thread = str(account.get("id", "")) == credentials.self_key
    acct = "" if own_thread else str(account.get("acct") or "")
    if draft.visibility != "direct":
        if mentions(outgoing.text, acct, domain=server.domain):  # also if only in a further post
            return draft
        first = addressed(draft.texts[0], acct, domain=server.domain)
        return replace(draft, texts=(first, *draft.texts[1:]))
    # Each part, because a direct post reaches only the accounts that it mentions.
    texts = [addressed(text, acct, domain=server.domain) for text in draft.texts]
    return replace(draft, texts=tuple(texts), recipient=str(account.get("id", "")))


def _check_length(
    server: Server, credentials: Credentials, outgoing: Outgoing, draft: Draft
) -> None:
    """Refuse a post that is too long with everything that `_draft` has added to its text."""
    limit = int(credentials.config.get("max_length") or MASTODON_MAX_LENGTH)
    for index, (typed, text) in enumerate(zip(_texts(outgoing), draft.texts, strict=True), 1):
        length = counted(text, draft.warning)
        if length <= limit:
            continue
        part = f"Part {index} of {len(draft.texts)}" if len(draft.texts) > 1 else "The text"
        added = ["the recipient's name"] * (text != typed) + ["the content warning"] * bool(
            draft.warning
        )
        including = f" with {' and '.join(added)}" if added else ""
        raise ChannelError(
            f"{part} has {length} characters{including}, but only {limit} are allowed at "
            f"{server.host}. Remove {length - limit}.",
            permanent=True,
        )


def _parent(server: Server, key: str, *, otherwise: str) -> Row:
    """Return a post. Raises ChannelError that ends with `otherwise` if it is gone."""
    if not key:
        return {}
    number = requested_id(key, "post")
    try:
        return server.row(lambda api: api.status(number))
    except Gone as error:
        raise ChannelError(
            f"The post was deleted at {server.host}, or we may not see it any more: {otherwise}",
            permanent=True,
        ) from error


def _visibility(outgoing: Outgoing, parent: Row) -> str:
    """Return the visibility of a post; a reply is never more public than the answered post."""
    if outgoing.visibility == "private":
        return "direct"
    if not parent:
        return "public"
    if not read.is_open(parent):
        raise ChannelError(
            "The post is not public, so a public reply would show parts of the conversation to "
            "everybody. Reply with a private message.",
            permanent=True,
        )
    return str(parent["visibility"])


def _recipient(server: Server, outgoing: Outgoing, parent: Row) -> Row:
    """Return the account that must be mentioned; its name on the server, not a stored one."""
    author = parent.get("account")
    author = author if isinstance(author, dict) else {}
    if outgoing.visibility != "private" or not outgoing.destination:
        if outgoing.visibility == "private" and not author:
            raise ChannelError("This private message has no recipient.", permanent=True)
        return author
    if str(author.get("id")) == outgoing.destination:
        return author
    number = requested_id(outgoing.destination, "account")
    return server.row(lambda api: api.account(number))


def _publish(
    server: Server, draft: Draft, nonce: str, index: int, media: list[str], done: list[Row]
) -> Row:
    """Publish one post of the draft; `done` are the posts before."""
    parent = str(done[-1]["id"]) if done else draft.in_reply_to
    try:
        row = server.row(
            lambda api: api.status_post(
                draft.texts[index],
                in_reply_to_id=parent or None,
                quoted_status_id=draft.quote if draft.quote and index == 0 else None,
                media_ids=list(media) if media and index == 0 else None,
                sensitive=bool(draft.warning),
                visibility=draft.visibility,
                spoiler_text=draft.warning or None,
                idempotency_key=f"{nonce}-{index}" if index else nonce,
            ),
            publishes=True,
        )
        _require_id(server, row)
    except ChannelError as error:
        raise _in_thread(error, index, len(draft.texts)) from error
    if draft.recipient and draft.recipient not in _mentioned_ids(row):
        raise _reached_nobody(server, row)
    return row


def _require_id(server: Server, row: Row) -> None:
    try:
        checked_id(row.get("id"))
    except ValueError as error:
        message = f"{server.host} does not say which post it has published."
        raise ChannelError(message, uncertain=True) from error


def _in_thread(error: ChannelError, index: int, count: int) -> ChannelError:
    if index == 0:
        return error
    return ChannelError(
        f"{index} of {count} posts of the thread were published; the next one failed: "
        f"{error.message}",
        permanent=error.permanent,
        retry_after=error.retry_after,
        uncertain=error.uncertain,
    )


def _mentioned_ids(row: Row) -> set[str]:
    named = row.get("mentions")
    rows = named if isinstance(named, list) else []
    return {str(one.get("id")) for one in rows if isinstance(one, dict)}


def _reached_nobody(server: Server, row: Row) -> ChannelError:
    """Remove a direct post that does not mention its recipient, and return the error."""
    with suppress(ChannelError):
        server.row(lambda api: api.status_delete(str(row["id"])))
    return ChannelError(
        f"{server.host} did not deliver the message: it could not find the recipient.",
        permanent=True,
    )


def _own_posts(server: Server, credentials: Credentials) -> tuple[list[Row], bool]:
    """Return our latest posts, newest first, and whether they cover the last two days."""
    number, rows = requested_id(credentials.self_key, "account"), list[Row]()
    since = datetime.now(UTC) - _LOOK_BACK
    for _ in range(PAGES):
        page = _page(server, number, str(rows[-1]["id"]) if rows else None)
        rows += page
        oldest = read.moment(page[-1].get("created_at")) if page else None
        if len(page) < PAGE or (oldest and oldest < since):
            return rows, True
    return rows, False


def _page(server: Server, number: str, before: str | None) -> list[Row]:
    found = server.rows(
        lambda api: api.account_statuses(number, exclude_reblogs=True, max_id=before, limit=PAGE)
    )
    return [row for row in found if isinstance(row, dict) and row.get("id")]


def _sent(rows: list[Row], outgoing: Outgoing) -> list[list[Row]]:
    """Return the posts that have this text, oldest first, each with its further posts."""
    since = datetime.now(UTC) - _LOOK_BACK
    rows = [row for row in reversed(rows) if (read.moment(row.get("created_at")) or since) >= since]
    texts = _texts(outgoing)
    firsts = [row for row in rows if _is_first(row, texts[0], outgoing)]
    return [_with_further(row, texts, rows) for row in firsts]


def _is_first(row: Row, text: str, outgoing: Outgoing) -> bool:
    is_private = row.get("visibility") == "direct"
    if is_private != (outgoing.visibility == "private"):
        return False
    if is_private and outgoing.destination and outgoing.destination not in _mentioned_ids(row):
        return False
    if outgoing.quote and quoted_id(row) != outgoing.quote:
        return False
    return _answers(row, outgoing.in_reply_to, text)


def _with_further(first: Row, texts: tuple[str, ...], rows: list[Row]) -> list[Row]:
    posts = [first]
    for text in texts[1:]:
        parent = str(posts[-1]["id"])
        further = next((row for row in rows if _answers(row, parent, text)), None)
        if further is None:
            break
        posts.append(further)
    return posts


def _answers(row: Row, parent: str, text: str) -> bool:
    html = without_quoted_link(str(row.get("content") or ""))
    return read.parent_of(row) == parent and is_same(html, text)


def _is_recent(row: Row) -> bool:
    at = read.moment(row.get("created_at"))
    return at is not None and at >= datetime.now(UTC) - _KEY_IS_KEPT


def _receipt(credentials: Credentials, outgoing: Outgoing, rows: list[Row]) -> Receipt:
    """Return the receipt of these posts, the first post of the thread first."""
    row, keys = rows[0], tuple(str(row["id"]) for row in rows)
    key = keys[0]
    thread = (outgoing.thread_key or outgoing.in_reply_to) if outgoing.in_reply_to else key
    url = str(row.get("url") or row.get("uri") or "")
    posts = keys if len(keys) > 1 else ()
    return Receipt(credentials.network, key, thread, safe_url(url), thread_posts=posts)
