"""Send direct messages.

The network has no key with which a second message could be recognised. After an error, `find` looks
for our text in the conversation, behind the message that it answers. If it answers none, an equal
text may be an older message, so a user has to decide. A message whose answer was lost may still be
on its way, so it counts as absent only some minutes after the last attempt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from scrm.channels.base import ChannelError, Credentials, Lookup, Outgoing, Receipt
from scrm.channels.bluesky import read
from scrm.channels.bluesky.client import CHAT, Client
from scrm.channels.bluesky.messages import newest
from scrm.channels.bluesky.richtext import check, facets

MAX_GRAPHEMES, MAX_BYTES = 1_000, 10_000
SETTLE = timedelta(minutes=5)
"""The network may store a message some seconds after our attempt ended. Five minutes are ample."""


def send(client: Client, credentials: Credentials, outgoing: Outgoing) -> Receipt:  # noqa: ARG001
    if outgoing.attachments:
        raise ChannelError("Bluesky accepts no files in direct messages.", permanent=True)
    text = _text(outgoing)
    message: dict[str, Any] = {"text": text}
    if marks := facets(text, lambda _: ""):
        message["facets"] = marks
    convo = _convo(client, outgoing)
    facts = {"convoId": convo, "message": message}
    sent = client.post("chat.bsky.convo.sendMessage", facts, service=CHAT)
    number = sent.get("id")
    if not isinstance(number, str) or not number:
        raise ChannelError(f"{client.host} returned something unexpected.", uncertain=True)
    return _receipt(convo, number)


def find(client: Client, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
    """Look for our text among the newest hundred messages of the conversation.

    Raises ChannelError if the last attempt was so recent that the message may still be on its way.
    """
    convo = _convo(client, outgoing)
    answered = read.convo_of(outgoing.in_reply_to)[1]
    text = _text(outgoing)
    same = ""
    for _, view in newest(client, convo):
        if not isinstance(view, dict):
            return Lookup.CANNOT_TELL
        if answered and view.get("id") == answered:
            return _receipt(convo, same) if same else _not_found(outgoing)
        sender = view.get("sender")
        is_ours = isinstance(sender, dict) and sender.get("did") == credentials.self_key
        if is_ours and view.get("text") == text:
            same = str(view.get("id", ""))
    return Lookup.CANNOT_TELL if same or answered else _not_found(outgoing)


def _not_found(outgoing: Outgoing) -> Lookup:
    if outgoing.tried_at is None:
        return Lookup.CANNOT_TELL
    if datetime.now(UTC) - outgoing.tried_at < SETTLE:
        raise ChannelError(
            "The message is not on Bluesky yet, but it may still be on its way. scrm looks again.",
            retry_after=SETTLE.total_seconds(),
        )
    return Lookup.ABSENT


def _text(outgoing: Outgoing) -> str:
    return check(outgoing.text, graphemes=MAX_GRAPHEMES, size=MAX_BYTES)


def _convo(client: Client, outgoing: Outgoing) -> str:
    """Return the conversation that the message continues, or the one with its recipient."""
    known = read.convo_of(outgoing.thread_key or outgoing.in_reply_to)[0]
    if known:
        return known
    if not outgoing.destination.startswith("did:"):
        raise ChannelError("A direct message needs a recipient.", permanent=True)
    query = {"members": [outgoing.destination]}
    answer = client.get("chat.bsky.convo.getConvoForMembers", query, service=CHAT)
    convo = answer.get("convo")
    found = convo.get("id") if isinstance(convo, dict) else None
    if not isinstance(found, str) or not found:
        raise ChannelError(f"{client.host} returned something unexpected.")
    return found


def _receipt(convo: str, number: str) -> Receipt:
    key = read.message_key(convo, number)
    return Receipt(read.NETWORK, key, read.convo_key(convo), read.convo_url(convo))
