"""Correct and remove our published posts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from scrm.channels.base import ChannelError, Credentials, Outgoing, Receipt
from scrm.channels.mastodon import read
from scrm.channels.mastodon.client import Gone, Row, Server, requested_id
from scrm.channels.mastodon.words import with_names_of

_WITHIN = timedelta(minutes=10)
"""Our answer to our own post belongs to the same thread if it was posted so soon after it."""


class MastodonEditor:
    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        """Replace the text, and in a thread the text of each post."""
        server, texts = Server.of(credentials), outgoing.parts or (outgoing.text,)
        number = requested_id(receipt.key, "post")
        try:
            first = server.row(lambda api: api.status(number))
        except Gone as error:
            message = f"The post was deleted at {server.host}: it cannot be corrected."
            raise ChannelError(message, permanent=True) from error
        rows = list(_thread(server, credentials, first)) if len(texts) > 1 else [first]
        if len(rows) < len(texts):
            raise ChannelError(
                f"The thread has {len(rows)} posts at {server.host}, but the corrected text has "
                f"{len(texts)}. Shorten it, or remove the thread and post it again.",
                permanent=True,
            )
        for row, text in zip(rows, texts, strict=False):
            _replace(server, row, text)
        return receipt

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        server, number = Server.of(credentials), requested_id(receipt.key, "post")
        try:
            server.row(lambda api: api.status_delete(number))
        except Gone:
            # The post is already removed, and a repeated call must succeed.
            return


def _replace(server: Server, row: Row, text: str) -> None:
    """Replace the text; keep names in front, the content warning and the files."""
    number = requested_id(str(row.get("id", "")), "post")
    source = server.row(lambda api: api.status_source(number))
    text = with_names_of(str(source.get("text") or ""), text, domain=server.domain)
    media = [str(one["id"]) for one in _objects(row.get("media_attachments")) if one.get("id")]
    server.row(
        lambda api: api.status_update(
            number,
            text,
            spoiler_text=str(source.get("spoiler_text") or "") or None,
            sensitive=bool(row.get("sensitive")),
            media_ids=list(media) or None,
        )
    )


def _thread(server: Server, credentials: Credentials, first: Row) -> Iterator[Row]:
    """Yield a post and our further posts, each of which soon answers the one before."""
    yield first
    context = server.row(lambda api: api.status_context(str(first["id"])))
    ours = [row for row in _objects(context.get("descendants")) if _is_ours(row, credentials)]
    last = first
    while further := next((row for row in ours if _continues(row, last)), None):
        yield further
        ours.remove(further)
        last = further


def _objects(rows: object) -> list[Row]:
    """Return the objects of a list that a server sent; none if it is no list."""
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _is_ours(row: Row, credentials: Credentials) -> bool:
    account = row.get("account")
    return isinstance(account, dict) and str(account.get("id")) == credentials.self_key


def _continues(row: Row, last: Row) -> bool:
    if read.parent_of(row) != str(last["id"]):
        return False
    before, after = read.moment(last.get("created_at")), read.moment(row.get("created_at"))
    return bool(before and after and after - before <= _WITHIN)
