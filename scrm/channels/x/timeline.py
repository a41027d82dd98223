"""Look our own posts and messages up on X, to find out whether a text was sent.

X has no idempotency key, so a text is recognised by its words and by the post that it answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scrm.channels.base import ChannelError, Outgoing, Usage
from scrm.channels.unreadable import UNREADABLE
from scrm.channels.x.client import Answer, XClient
from scrm.channels.x.errors import charged
from scrm.channels.x.read import Post, is_retweet, read_message, read_post
from scrm.text.links import without_last_link
from scrm.text.normal import normalize

PAGES, PAGE = 5, 100
"""The most pages of our posts that are read, and the number of entries on a page."""
SETTLE = timedelta(minutes=5)
"""A new post may be missing from the timeline for some seconds. Five minutes are ample."""
BACK = timedelta(days=1)
"""A thread may have been begun in an earlier attempt; one day covers all attempts."""
SKEW = timedelta(minutes=2)
"""The clock of X may differ from ours."""
_TIMELINE = "created_at,conversation_id,author_id,entities,note_tweet,referenced_tweets"
_ADDRESSED = re.compile(r"(?:@\w{1,50}\s+){1,50}")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_LINK_END = re.compile(r"/(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class Sent:
    """Our latest posts or messages, newest first.

    complete: whether they were read back to the time asked for. moment: the clock of X.
    usage: the paid operations that reading them used.
    """

    posts: tuple[Post, ...]
    complete: bool
    moment: datetime
    usage: Usage

    def post(
        self, text: str, answered: str = "", quoted: str = "", used: frozenset[str] = frozenset()
    ) -> Post | None:
        """Return the first version of a post with this text, or None.

        answered, quoted: the posts that it must answer or quote. A link in the text can make it a
        quote of any post, so that without `quoted` it may quote anything.
        """
        wanted = comparable(text)
        for post in reversed(self.posts):
            item = post.item
            if item.key in used or item.in_reply_to != answered:
                continue
            if quoted and item.quotes != quoted:
                continue
            # X adds the address of a quoted post to the text.
            said = without_last_link(item.text, quoted) if quoted else item.text
            if wanted in (comparable(said), comparable(_without_addressees(said))):
                return post
        return None

    def is_settled(self, outgoing: Outgoing) -> bool:
        """Whether a text that was accepted at the last attempt must be among the posts."""
        return outgoing.tried_at is not None and self.moment - outgoing.tried_at > SETTLE + SKEW


def comparable(text: str) -> str:
    """Return the text without what X changes: white space, and the form of links."""
    bare = _LINK_END.sub("", _SCHEME.sub("", normalize("NFC", text)))
    return " ".join(bare.split())


def chain(sent: Sent, parts: tuple[str, ...], outgoing: Outgoing) -> list[Post]:
    """Return the posts of a thread that exist, from its first part to the last without a gap."""
    found: list[Post] = []
    answered, quoted = outgoing.in_reply_to, outgoing.quote
    for text in parts:
        post = sent.post(text, answered, quoted, frozenset(post.item.key for post in found))
        if post is None:
            break
        found.append(post)
        answered, quoted = post.item.key, ""
    return found


def our_posts(client: XClient, outgoing: Outgoing) -> Sent:
    """Read our posts since a day before the last attempt. An error states what X charges for."""
    since = (outgoing.tried_at or datetime.now(UTC)) - BACK
    asked: dict[str, Any] = {
        "start_time": since, "max_results": PAGE, "tweet_fields": _TIMELINE, "exclude": "retweets",
    }  # fmt: skip
    posts: list[Post] = []
    read, complete = 0, False
    for _ in range(PAGES):
        try:
            answer: Answer = client.get_users_tweets(client.user_id, **asked)
        except ChannelError as error:
            error.usage = {"own read": read + charged(error, PAGE)}
            raise
        read += len(answer.rows)
        posts += _readable(answer, read_post, answer.rows)
        complete = not answer.next_token
        if complete:
            break
        asked["pagination_token"] = answer.next_token
    return Sent(tuple(posts), complete, answer.moment, {"own read": read})


def our_messages(client: XClient, outgoing: Outgoing) -> Sent:
    """Read our messages to the recipient since the last attempt, at most a hundred."""
    since = (outgoing.tried_at or datetime.now(UTC)) - SKEW
    try:
        answer: Answer = client.get_direct_message_events(
            participant_id=outgoing.destination, max_results=PAGE, event_types="MessageCreate",
            dm_event_fields="id,text,sender_id,dm_conversation_id,created_at,entities",
        )  # fmt: skip
    except ChannelError as error:
        error.usage = {"DM received": charged(error, PAGE)}
        raise
    posts = _readable(answer, read_message, answer.rows)
    times = [post.item.occurred_at for post in posts if post.item.occurred_at]
    complete = not answer.next_token or bool(times and min(times) < since)
    ours = tuple(
        post
        for post in posts
        if post.item.author.key == client.user_id and (post.item.occurred_at or since) >= since
    )
    return Sent(ours, complete, answer.moment, {"DM received": len(answer.rows)})


def _readable(answer: Answer, reader: Any, rows: list[Any]) -> list[Post]:
    posts = []
    for row in rows:
        try:
            if not is_retweet(row):
                posts.append(reader(row, answer.users, answer.media))
        except UNREADABLE:
            continue
    return posts


def _without_addressees(text: str) -> str:
    """Return a reply without the handles that X puts before it."""
    handles = _ADDRESSED.match(text)
    return text[handles.end() :] if handles else text
