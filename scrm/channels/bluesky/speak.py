"""Publish posts, replies and threads, send direct messages, and take posts down.

The key of each post follows from the nonce (see `keys`). Before a post is created, its key is
looked up, so that a second attempt finds the post of the first one. If both attempts run at once,
the server refuses the second post with this key. The parts of a thread are created one after the
other; an attempt after a crash continues behind the last part that exists.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scrm.channels.base import (
    ChannelError,
    Credentials,
    File,
    Idempotence,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.channels.bluesky import direct
from scrm.channels.bluesky.card import card
from scrm.channels.bluesky.client import Client, Row, XrpcError
from scrm.channels.bluesky.keys import POST, Uri, record_key
from scrm.channels.bluesky.lookup import get_posts, has_address, record
from scrm.channels.bluesky.read import NETWORK
from scrm.channels.bluesky.richtext import check, facets, first_link

MAX_PICTURES, MAX_PICTURE_BYTES = 4, 1_000_000
MAX_PARTS = 50

Ref = dict[str, str]
"""A reference to a version of a post: its `uri` and its `cid`."""


class BlueskySpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:
        """Posts have our own keys; direct messages can only be looked up."""
        return "lookup" if credentials.config.get("messages") else "key"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        client = Client.of(credentials)
        if outgoing.visibility == "private":
            return direct.send(client, credentials, outgoing)
        texts = [check(text) for text in outgoing.parts or (outgoing.text,)]
        _check_pictures(outgoing.attachments)
        if len(texts) > MAX_PARTS:
            raise ChannelError(f"A thread may have {MAX_PARTS} posts at most.", permanent=True)
        root, parent = _answered(client, outgoing.in_reply_to)
        quoted = _quoted(client, outgoing.quote) if outgoing.quote else None
        for position, text in enumerate(texts):
            at = _place(credentials, outgoing, position)
            try:
                made = record(client, at)
                if made is None:
                    post = _post(client, text, root, parent)
                    if embed := _embed(client, outgoing, position, text, quoted):
                        post["embed"] = embed
                    made = create(client, at, post)
            except ChannelError as error:
                raise _half_sent(error, position, len(texts)) from error
            parent = _ref(made)
            root = root or parent
        return _receipt(credentials, outgoing, root)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Look up the last part, which is created only after all others."""
        client = Client.of(credentials)
        if outgoing.visibility == "private":
            return direct.find(client, credentials, outgoing)
        last = max(len(outgoing.parts), 1) - 1
        if record(client, _place(credentials, outgoing, last)) is None:
            return Lookup.ABSENT
        first = record(client, _place(credentials, outgoing)) or {}
        value = first.get("value")
        reply = value.get("reply") if isinstance(value, dict) else None
        root = reply.get("root") if isinstance(reply, dict) else None
        return _receipt(credentials, outgoing, root)


class BlueskyEditor:
    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:  # noqa: ARG002
        raise ChannelError(
            "Bluesky cannot change a published post. Delete the post and publish it again.",
            permanent=True,
        )

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        client = Client.of(credentials)
        try:
            at = Uri.parse(receipt.key)
        except ValueError as error:
            raise ChannelError(
                "Bluesky deletes a direct message only for its sender, so the recipient would "
                "still see it.",
                permanent=True,
            ) from error
        if at.repo != credentials.self_key:
            raise ChannelError("This post belongs to another account.", permanent=True)
        facts = {"repo": at.repo, "collection": POST, "rkey": at.rkey}
        # Succeeds also if the post no longer exists.
        client.post("com.atproto.repo.deleteRecord", facts)


def _half_sent(error: ChannelError, published: int, parts: int) -> ChannelError:
    """Return the error with the number of parts that are already published."""
    if not published:
        return error
    return ChannelError(
        f"{published} of {parts} parts of the thread are published. {error.message}",
        permanent=error.permanent,
        retry_after=error.retry_after,
        uncertain=error.uncertain,
    )


def create(client: Client, at: Uri, value: Row) -> Row:
    """Create a record with our own key; if it exists by now, return it. Raises ChannelError."""
    facts = {"repo": at.repo, "collection": at.collection, "rkey": at.rkey, "record": value}
    try:
        made = client.post("com.atproto.repo.createRecord", facts)
        if not has_address(made):
            raise ChannelError(f"{client.host} did not confirm the post.", uncertain=True)
        return made
    except ChannelError as error:
        # Servers answer with a general error if the key exists, so the key itself is looked up.
        if error.retry_after is None and _worth_a_look(error) and (found := _made(client, at)):
            return found
        raise


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _worth_a_look(error: ChannelError) -> bool:
    return error.uncertain or (isinstance(error, XrpcError) and error.permanent)


def _made(client: Client, at: Uri) -> Row | None:
    try:
        return record(client, at)
    except ChannelError:
        return None


def _place(credentials: Credentials, outgoing: Outgoing, position: int = 0) -> Uri:
    return Uri(credentials.self_key, POST, record_key(outgoing.nonce, position))


def _receipt(credentials: Credentials, outgoing: Outgoing, root: Any) -> Receipt:
    """Return the receipt of a text. root: the first post of the thread that it belongs to."""
    number = len(outgoing.parts)
    places = [_place(credentials, outgoing, position) for position in range(max(number, 1))]
    first, uri = places[0], root.get("uri") if isinstance(root, dict) else None
    thread = uri if isinstance(uri, str) else str(first)
    posts = tuple(map(str, places)) if number > 1 else ()
    return Receipt(NETWORK, str(first), thread, first.url, thread_posts=posts)


def _ref(made: Row) -> Ref:
    return {"uri": str(made.get("uri", "")), "cid": str(made.get("cid", ""))}


def _answered(client: Client, key: str) -> tuple[Ref | None, Ref | None]:
    """Return the first post of the thread and the answered post; None for a new thread."""
    if not key:
        return None, None
    view = _visible(client, key, otherwise="there is nothing to reply to.")
    if isinstance(viewer := view.get("viewer"), dict) and viewer.get("replyDisabled"):
        raise ChannelError(
            "The author of this thread does not allow this account to reply.", permanent=True
        )
    reply = view["record"].get("reply") if isinstance(view.get("record"), dict) else None
    root = reply.get("root") if isinstance(reply, dict) else None
    return _ref(root if isinstance(root, dict) else view), _ref(view)


def _visible(client: Client, key: str, *, otherwise: str) -> Row:
    """Return a post of another person. Raises ChannelError with `otherwise` if it is gone."""
    if key.startswith("dm:"):
        raise ChannelError("A direct message cannot be answered publicly.", permanent=True)
    view = next((each for each in get_posts(client, [key]) if has_address(each)), None)
    if view is None or not view.get("cid"):
        raise ChannelError(
            f"The post was deleted, or its author blocked this account: {otherwise}", permanent=True
        )
    return dict(view)


def _quoted(client: Client, key: str) -> Ref:
    view = _visible(client, key, otherwise="there is nothing to quote.")
    if isinstance(viewer := view.get("viewer"), dict) and viewer.get("embeddingDisabled"):
        raise ChannelError(
            "The author of this post does not allow quotes. Reply to the post instead.",
            permanent=True,
        )
    return _ref(view)


def _embed(
    client: Client, outgoing: Outgoing, position: int, text: str, quoted: Ref | None
) -> Row | None:
    """Return what is shown below the text: pictures or the card of a link, and the quoted post.

    Pictures and the quoted post belong to the first post of a thread.
    """
    media: Row | None = None
    if outgoing.attachments and position == 0:
        images = [_picture(client, file) for file in outgoing.attachments]
        media = {"$type": "app.bsky.embed.images", "images": images}
    elif link := first_link(text):
        media = card(link)
    if quoted is None or position > 0:
        return media
    record_embed = {"$type": "app.bsky.embed.record", "record": quoted}
    if media is None:
        return record_embed
    return {"$type": "app.bsky.embed.recordWithMedia", "record": record_embed, "media": media}


def _post(client: Client, text: str, root: Ref | None, parent: Ref | None) -> Row:
    post: Row = {"$type": POST, "text": text, "createdAt": now()}
    if marks := facets(text, lambda handle: did_of(client, handle)):
        post["facets"] = marks
    if root and parent:
        post["reply"] = {"root": root, "parent": parent}
    return post


def did_of(client: Client, handle: str) -> str:
    """Return the DID of a handle, or "" if nobody has it. Raises ChannelError."""
    try:
        answer = client.get("com.atproto.identity.resolveHandle", {"handle": handle})
    except XrpcError as error:
        if error.permanent:
            return ""
        raise
    return str(answer.get("did", ""))


def _check_pictures(files: tuple[File, ...]) -> None:
    if len(files) > MAX_PICTURES:
        raise ChannelError(f"Bluesky accepts {MAX_PICTURES} pictures with a post.", permanent=True)
    for file in files:
        if not file.content_type.lower().startswith("image/"):
            raise ChannelError(
                f"Bluesky accepts only pictures, and {file.name} is none.", permanent=True
            )
        if len(file.content) > MAX_PICTURE_BYTES:
            raise ChannelError(
                f"The picture {file.name} is larger than 1 MB. Make it smaller.", permanent=True
            )


def _picture(client: Client, file: File) -> Row:
    return {"alt": file.alt, "image": client.upload(file.content, file.content_type).get("blob")}
