"""Speak on X: posts, replies, threads and direct messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from scrm.channels.base import (
    ChannelError,
    Credentials,
    Idempotence,
    Lookup,
    Outgoing,
    Receipt,
    Usage,
)
from scrm.channels.text_rules import LINK_OR_DOMAIN
from scrm.channels.x.client import APP_ONLY, Answer, XClient, client_of
from scrm.channels.x.errors import Duplicate, Gone
from scrm.channels.x.read import MESSAGE, NETWORK, SITE, id_of, two_people
from scrm.channels.x.timeline import SETTLE, Sent, chain, our_messages, our_posts

MOST_PICTURES, MOST_BYTES = 4, 5 * 1024 * 1024


class XSpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:
        return "none" if credentials.self_key == APP_ONLY else "lookup"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        client = client_of(credentials)
        if outgoing.visibility == "private":
            return _send_message(client, outgoing)
        if MESSAGE in (outgoing.in_reply_to[: len(MESSAGE)], outgoing.quote[: len(MESSAGE)]):
            raise ChannelError("A direct message can only be answered privately.", permanent=True)
        return _Thread(client, credentials, outgoing).send()

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        """Look for the text among our posts or messages.

        A thread of which only the first parts exist counts as absent: `send` continues it. Raises
        ChannelError if the last attempt was so recent that X may not show the text yet.
        """
        client = client_of(credentials)
        if outgoing.visibility == "private":
            return _find_message(client, outgoing)
        sent = our_posts(client, outgoing)
        found = chain(sent, _parts(outgoing), outgoing)
        if len(found) == len(_parts(outgoing)):
            numbers = [post.latest for post in found]
            return _receipt(credentials, numbers, found[0].item.thread_key, sent.usage)
        return _not_found(sent, outgoing)


class XEditor:
    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:  # noqa: ARG002
        raise ChannelError(
            "X does not let this app edit posts. Edit the post on X yourself, or delete it and "
            "publish a new one.",
            permanent=True,
        )

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        client = client_of(credentials)
        if receipt.key.startswith(MESSAGE):
            raise ChannelError("X does not let apps delete direct messages.", permanent=True)
        try:
            client.delete_tweet(_number(receipt.key))
        except Gone:
            # The post is already deleted, and a repeated call must succeed.
            return


@dataclass(frozen=True, slots=True)
class _Thread:
    """One post, or several of which each answers the one before.

    usage: the paid operations that `send` has used so far.
    """

    client: XClient
    credentials: Credentials
    outgoing: Outgoing
    usage: dict[str, int] = field(default_factory=dict)

    def send(self) -> Receipt:
        """Post the parts that do not exist yet, in order."""
        parts, answered = _parts(self.outgoing), self.outgoing.in_reply_to
        numbers: list[str] = []
        conversation = ""
        try:
            if len(parts) > 1:
                # An earlier attempt may have posted the first parts.
                found = chain(self._look_up(), parts, self.outgoing)
                numbers = [post.latest for post in found]
                conversation = found[0].item.thread_key if found else ""
            pictures = [] if numbers else _upload(self.client, self.outgoing)
            for part in parts[len(numbers) :]:
                above = numbers[-1] if numbers else answered
                numbers.append(self._post(part, above, [] if numbers else pictures))
        except ChannelError as error:
            self._count(error.usage)
            raise _half_sent(error, len(numbers), len(parts), self.usage) from error
        thread = conversation or self.outgoing.thread_key or numbers[0]
        return _receipt(self.credentials, numbers, thread, self.usage)

    def _look_up(self) -> Sent:
        sent = our_posts(self.client, self.outgoing)
        self._count(sent.usage)
        return sent

    def _count(self, usage: Usage) -> None:
        """Add these paid operations to what `send` has used."""
        for operation, uses in usage.items():
            self.usage[operation] = self.usage.get(operation, 0) + uses

    def _post(self, text: str, answered: str, pictures: list[str]) -> str:
        """Publish one post; return its id."""
        is_first = answered == self.outgoing.in_reply_to
        is_reply, quoted = is_first and answered != "", self.outgoing.quote if is_first else ""
        price = {_price(self.credentials, text, is_reply=is_reply): 1}
        try:
            answer: Answer = self.client.create_tweet(
                text=text or None,
                in_reply_to_tweet_id=_number(answered) if answered else None,
                quote_tweet_id=_number(quoted) if quoted else None,
                media_ids=pictures or None,
            )
        except Duplicate:
            if len(_parts(self.outgoing)) > 1:
                # An earlier attempt may have posted this part some seconds ago. Our posts are not
                # read a second time: that would cost more than is booked.
                message = "X has a part of the thread already but does not show it yet."
                raise ChannelError(message, retry_after=SETTLE.total_seconds()) from None
            # X has this text already. It may be ours, from an attempt whose answer was lost.
            found = self._look_up().post(text, answered, quoted)
            if found is None:
                raise
            self._count(price)
            return found.latest
        except ChannelError as error:
            if error.uncertain:
                self._count(price)
            raise
        self._count(price)
        return _confirmed(answer.row.get("id"))


def _send_message(client: XClient, outgoing: Outgoing) -> Receipt:
    if outgoing.parts:
        raise ChannelError("A direct message cannot be sent as a thread.", permanent=True)
    if outgoing.thread_key and not two_people(outgoing.thread_key):
        message = "Only a conversation of two people can be answered with a direct message."
        raise ChannelError(message, permanent=True)
    if not outgoing.destination:
        raise ChannelError("A direct message needs a recipient.", permanent=True)
    if len(outgoing.attachments) > 1:
        raise ChannelError("X allows one picture in a direct message.", permanent=True)
    pictures = _upload(client, outgoing)
    answer: Answer = client.create_direct_message(
        participant_id=_number(outgoing.destination),
        text=outgoing.text or None,
        media_id=pictures[0] if pictures else None,
    )
    number = _confirmed(answer.row.get("dm_event_id"))
    conversation = answer.row.get("dm_conversation_id")
    thread = f"{MESSAGE}{conversation}" if conversation else outgoing.thread_key
    return Receipt(NETWORK, f"{MESSAGE}{number}", thread, usage={"DM sent": 1})


def _find_message(client: XClient, outgoing: Outgoing) -> Receipt | Lookup:
    if outgoing.tried_at is None:
        # The same words may have been sent to this person earlier.
        return Lookup.CANNOT_TELL
    sent = our_messages(client, outgoing)
    found = sent.post(outgoing.text)
    if found is not None:
        return Receipt(NETWORK, found.item.key, found.item.thread_key, usage=sent.usage)
    return _not_found(sent, outgoing)


def _not_found(sent: Sent, outgoing: Outgoing) -> Lookup:
    if not sent.complete or outgoing.tried_at is None:
        return Lookup.CANNOT_TELL
    if not sent.is_settled(outgoing):
        raise ChannelError(
            "The text is not on X yet, but X may show it only some minutes after it was sent. "
            "scrm looks again.",
            retry_after=300,
            usage=sent.usage,
        )
    return Lookup.ABSENT


def _upload(client: XClient, outgoing: Outgoing) -> list[str]:
    """Upload the pictures; return their ids. Nothing is published, so no error is uncertain."""
    if len(outgoing.attachments) > MOST_PICTURES:
        raise ChannelError(f"X allows {MOST_PICTURES} pictures in a post.", permanent=True)
    for file in outgoing.attachments:
        if not file.content_type.startswith("image/"):
            message = f"“{file.name}” is no picture. scrm sends only pictures to X."
            raise ChannelError(message, permanent=True)
        if len(file.content) > MOST_BYTES:
            message = f"“{file.name}” is larger than 5 MB, the most that X takes."
            raise ChannelError(message, permanent=True)
    private = outgoing.visibility == "private"
    try:
        return [client.upload(file, private=private) for file in outgoing.attachments]
    except ChannelError as error:
        raise ChannelError(
            error.message, permanent=error.permanent, retry_after=error.retry_after
        ) from error


def _half_sent(error: ChannelError, sent: int, parts: int, usage: Usage) -> ChannelError:
    """Return the error with what is charged, and with the number of parts that are published."""
    if not sent:
        error.usage = usage
        return error
    return ChannelError(
        f"{sent} of {parts} parts of the thread are published. {error.message}",
        permanent=error.permanent,
        retry_after=error.retry_after,
        uncertain=error.uncertain,
        usage=usage,
    )


def _price(credentials: Credentials, text: str, *, is_reply: bool) -> str:
    """Return the paid operation of a post.

    A self-serve app can reply only to people who addressed us; X calls this a summoned reply.
    """
    if LINK_OR_DOMAIN.search(text):
        return "post with a link"
    summoned = is_reply and credentials.config.get("access") != "enterprise"
    return "summoned reply" if summoned else "post"


def _parts(outgoing: Outgoing) -> tuple[str, ...]:
    return outgoing.parts or (outgoing.text,)


def _receipt(credentials: Credentials, numbers: list[str], thread: str, usage: Usage) -> Receipt:
    """Return the receipt of posts with these ids, the first post of the thread first."""
    handle, first = credentials.address.lstrip("@") or "i", numbers[0]
    posts = tuple(numbers) if len(numbers) > 1 else ()
    return Receipt(NETWORK, first, thread, f"{SITE}/{handle}/status/{first}", usage, posts)


def _number(key: str) -> str:
    try:
        return id_of(key)
    except ValueError as error:
        message = f"“{key[:60]}” is not on X, so it cannot be used there."
        raise ChannelError(message, permanent=True) from error


def _confirmed(value: object) -> str:
    """Return the id that X gave to our text. Without it, the text may have been published."""
    try:
        return id_of(value)
    except ValueError as error:
        raise ChannelError("X did not confirm that it took the text.", uncertain=True) from error
