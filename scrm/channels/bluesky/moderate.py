"""Like, hide, block and report."""

from __future__ import annotations

from typing import Any

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.bluesky.client import Client, Row
from scrm.channels.bluesky.keys import POST, Uri, record_key
from scrm.channels.bluesky.lookup import get_posts, has_address, record
from scrm.channels.bluesky.speak import create, now
from scrm.channels.moderation import ModerationAction

LIKE, BLOCK, GATE = "app.bsky.feed.like", "app.bsky.graph.block", "app.bsky.feed.threadgate"
_MAX_HIDDEN, _MAX_REASON = 300, 1_000


class BlueskyModerator:
    def actions(self, credentials: Credentials, item_key: str) -> tuple[ModerationAction, ...]:
        if item_key.startswith("dm:"):
            return ("block",)
        if item_key.startswith(f"at://{credentials.self_key}/"):
            return ("like", "unlike")
        return ("like", "unlike", "hide", "unhide", "block", "report")

    def act(
        self,
        credentials: Credentials,
        action: ModerationAction,
        *,
        item_key: str,
        author_key: str,
        reason: str = "",
    ) -> None:
        client = Client.of(credentials)
        if action not in self.actions(credentials, item_key):
            raise ChannelError("Bluesky does not offer this for this item.", permanent=True)
        if action == "block":
            _block(client, credentials.self_key, author_key)
            return
        post = _post(client, item_key)
        if action in ("like", "unlike"):
            _like(client, credentials.self_key, post, wanted=action == "like")
        elif action in ("hide", "unhide"):
            _hide(client, credentials.self_key, post, wanted=action == "hide")
        else:
            _report(client, post, reason)


def _post(client: Client, key: str) -> Row:
    """Return the post. Raises ChannelError if we cannot see it."""
    for view in get_posts(client, [key]):
        if has_address(view) and view.get("cid"):
            return dict(view)
    raise ChannelError("The post was deleted, or its author blocked this account.", permanent=True)


def _subject(post: Row) -> dict[str, str]:
    return {"uri": str(post["uri"]), "cid": str(post["cid"])}


def _like(client: Client, us: str, post: Row, *, wanted: bool) -> None:
    """Like the post, or delete our like, also one that was made in another program."""
    viewer = post.get("viewer")
    liked = viewer.get("like") if isinstance(viewer, dict) else None
    ours = Uri(us, LIKE, record_key(str(post["uri"])))
    if wanted:
        if not liked and record(client, ours) is None:
            value = {"$type": LIKE, "subject": _subject(post), "createdAt": now()}
            create(client, ours, value)
        return
    for at in {str(ours), str(liked or ours)}:
        _delete(client, Uri.parse(at))


def _delete(client: Client, at: Uri) -> None:
    facts = {"repo": at.repo, "collection": at.collection, "rkey": at.rkey}
    client.post("com.atproto.repo.deleteRecord", facts)


def _hide(client: Client, us: str, post: Row, *, wanted: bool) -> None:
    """Add the reply to the hidden replies of our thread, or remove it from them."""
    at = Uri(us, GATE, _own_root(us, post).rkey)
    stored = record(client, at)
    value = stored.get("value") if stored else None
    gate: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
    listed = gate.get("hiddenReplies")
    hidden = list(listed) if isinstance(listed, list) else []
    if (post["uri"] in hidden) == wanted:
        return
    hidden = [uri for uri in hidden if uri != post["uri"]] + ([post["uri"]] if wanted else [])
    if len(hidden) > _MAX_HIDDEN:
        raise ChannelError(
            f"Bluesky hides {_MAX_HIDDEN} replies of a thread at most.", permanent=True
        )
    gate |= {"$type": GATE, "post": str(Uri(us, POST, at.rkey)), "hiddenReplies": hidden}
    gate.setdefault("createdAt", now())
    facts = {"repo": us, "collection": GATE, "rkey": at.rkey, "record": gate}
    # The server refuses the change if somebody else changed the list meanwhile.
    client.post(
        "com.atproto.repo.putRecord", facts | {"swapRecord": stored["cid"] if stored else None}
    )


def _own_root(us: str, post: Row) -> Uri:
    """Return our post that began the thread. Raises ChannelError if it is not ours."""
    content = post.get("record")
    reply = content.get("reply") if isinstance(content, dict) else None
    root = reply.get("root") if isinstance(reply, dict) else None
    try:
        at = Uri.parse(root.get("uri") if isinstance(root, dict) else "")
    except ValueError:
        at = Uri("", POST, "")
    if at.repo != us:
        raise ChannelError("Only replies in our own threads can be hidden.", permanent=True)
    return at


def _block(client: Client, us: str, author: str) -> None:
    at = Uri(us, BLOCK, record_key(author))
    if not author.startswith("did:") or author == us:
        raise ChannelError("This profile cannot be blocked.", permanent=True)
    if record(client, at) is None:
        create(client, at, {"$type": BLOCK, "subject": author, "createdAt": now()})


def _report(client: Client, post: Row, reason: str) -> None:
    client.call(
        "com.atproto.moderation.createReport",
        {
            "reasonType": "com.atproto.moderation.defs#reasonOther",
            "reason": reason[:_MAX_REASON],
            "subject": {"$type": "com.atproto.repo.strongRef", **_subject(post)},
        },
    )
