"""Publish posts in the name of the sandbox's people, and make calls of the sandbox fail.

Tests and the sample workspace publish chosen posts; `step` publishes random posts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from uuid import uuid4
from zlib import crc32

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from scrm.channels.sandbox import phrases
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.networks import (
    BLOG,
    FEED,
    FORM,
    MAIL,
    SOCIAL,
)  # fmt: skip
from scrm.channels.sandbox.people import CROWD, PEOPLE, Persona, handle_on, persona
from scrm.channels.sandbox.remote import (
    SITE,
    Call,
    Mode,
    Value,
    publish,
    remove,
    rewrite,
    select,
    wire,
)

US = {
    **dict.fromkeys(SOCIAL, "skywardair"),
    MAIL: "care@skyward.example",
    BLOG: "skyward-blog",
    FORM: "skyward-forms",
}
"""The keys under which the people address us."""

MAX_PER_STEP = 5
MAX_ANSWERS = 3
"""The number of answers that one person writes to us in one thread."""
MAX_COMMENTS = 6
_MAX_ECHOES = 4
_REPLY_DELAY = timedelta(minutes=1)
_INTEREST = timedelta(days=2)

_UNANSWERED = """
    WHERE to_key = ANY(%s) AND created_at <= %s AND seq IN (
        SELECT max(seq) FILTER (WHERE nonce <> '') FROM sandbox_post WHERE created_at > %s
        GROUP BY network, thread_key, CASE nonce WHEN '' THEN author_key ELSE to_key END
        HAVING max(seq) FILTER (WHERE nonce <> '') > coalesce(max(seq) FILTER (WHERE nonce = ''), 0)
        AND count(*) FILTER (WHERE nonce = '' AND parent_key <> '' AND to_key <> ALL(%s)) < %s)
    ORDER BY seq
"""
"""Our posts that are the last one to a person in a thread."""
_OPEN_STATEMENT = """
    WHERE network = %s AND parent_key = '' AND nonce <> '' AND created_at > %s AND created_at <= %s
      AND %s > (SELECT count(*) FROM sandbox_post reply WHERE reply.network = sandbox_post.network
                AND reply.thread_key = sandbox_post.key AND reply.nonce = '')
    ORDER BY seq DESC LIMIT 1
"""
_LIVELY = """
    WHERE network = %s AND visibility = 'public' AND parent_key = '' AND nonce = ''
      AND created_at > %s
      AND %s > (SELECT count(*) FROM sandbox_post reply WHERE reply.network = sandbox_post.network
                AND reply.thread_key = sandbox_post.key AND reply.parent_key <> '')
    ORDER BY seq DESC LIMIT 10
"""


def post(
    network: str,
    author_key: str,
    text: str,
    *,
    in_reply_to: str = "",
    to: str = "",
    title: str = "",
    at: datetime | None = None,
    handle: str = "",
    name: str = "",
    reach: int | None = None,
    key: str = "",
    nonce: str = "",
) -> str:
    """Publish a post in the sandbox and return its key.

    author_key: a persona's key, handle or address, or any other stable key.
    to: the recipient of a private post.
    nonce: if it is set, the post counts as ours, as if we had sent it through the channel.
    """
    drafted = Post(
        network=network,
        key=key or uuid4().hex,
        parent_key=in_reply_to,
        to_key=to,
        title=title,
        text=text,
        nonce=nonce,
        created_at=at or timezone.now(),
        **_author(network, author_key, handle=handle, name=name, reach=reach),
    )
    with wire() as cursor:
        return publish(cursor, drafted).key


def edit(network: str, key: str, text: str) -> None:
    """Replace the text of a public post, as its author would."""
    with wire() as cursor:
        rewrite(cursor, network, key, "", text)


def delete(network: str, key: str) -> None:
    """Delete a post, as its author would."""
    with wire() as cursor:
        remove(cursor, network, key)


def fail(
    network: str, mode: Mode, *, times: int = 1, call: Call | None = None, seconds: float = 0.0
) -> None:
    """Make the next `times` calls fail.

    call: the kind of calls. The default is "send", or "listen" for the mode "duplicate".
    The modes are:
    answer lost: the post is stored, but the caller gets no confirmation.
    down, refused: nothing is stored.
    slow: the call succeeds after `seconds`.
    duplicate: a fetch returns earlier items again, and returns each item twice.
    """
    call = call or ("listen" if mode == "duplicate" else "send")
    with wire() as cursor:
        cursor.execute(
            "INSERT INTO sandbox_fault (network, call, mode, remaining, seconds) "
            "VALUES (%s, %s, %s, %s, %s)",
            [network, call, mode, times, seconds],
        )


def reset() -> None:
    """Delete all posts, changes, marks and faults of the sandbox.

    The numbering of posts and changes continues, so that stored cursors remain valid.
    """
    with wire() as cursor:
        cursor.execute("DELETE FROM sandbox_post")
        cursor.execute("DELETE FROM sandbox_postchange")
        cursor.execute("DELETE FROM sandbox_fault")
        cursor.execute("DELETE FROM sandbox_mark")


def step(now: datetime, rng: Random) -> list[str]:
    """Simulate about a minute of activity; return the keys of at most MAX_PER_STEP new posts."""
    with wire() as cursor:
        actions = rng.choices(list(_ACTIONS), list(_ACTIONS.values()), k=rng.choice((1, 1, 2)))
        posts = [act(cursor, now, rng) for act in actions]
        posts += _answer_back(cursor, now, rng)
        posts += _comment(cursor, now, rng)
    return [post.key for post in posts]


def _author(
    network: str, author_key: str, *, handle: str = "", name: str = "", reach: int | None = None
) -> dict[str, str | int | None]:
    """Return the columns of an author. If the author is a persona, missing values are filled in."""
    person = persona(author_key)
    key = author_key
    if person:
        key = person.mail if network in (MAIL, FORM) and person.mail else person.key
        name = name or person.name
        reach = person.reach if reach is None and network in SOCIAL else reach
    handle = handle or handle_on(network, key)
    return {
        "author_key": key,
        "author_handle": handle,
        "author_name": name or handle,
        "author_url": "" if network in (MAIL, FORM) else f"{SITE}/@{handle}",
        "author_reach": reach,
    }


def _say(
    cursor: CursorWrapper,
    now: datetime,
    rng: Random,
    network: str,
    who: Persona,
    text: str,
    *,
    to: str = "",
    title: str = "",
    answers: Post | None = None,
) -> Post:
    """Publish a post with a key that depends only on `now` and `rng`."""
    drafted = Post(
        network=network,
        key=f"{int(now.timestamp()):x}{rng.getrandbits(48):012x}",
        parent_key=answers.key if answers else "",
        to_key=to,
        title=title,
        text=text,
        created_at=now,
        **_author(network, who.key),
    )
    return publish(cursor, drafted)


def _public_post(cursor: CursorWrapper, now: datetime, rng: Random) -> Post:
    moods = (phrases.COMPLAINTS, phrases.PRAISE, phrases.QUESTIONS)
    mood = rng.choices(moods, (6, 2, 2))[0]
    who = rng.choice(CROWD)
    return _say(cursor, now, rng, rng.choice(who.on), who, phrases.say(mood, rng))


def _small_talk(cursor: CursorWrapper, now: datetime, rng: Random) -> Post:
    who = rng.choice(CROWD)
    return _say(cursor, now, rng, rng.choice(who.on), who, phrases.say(phrases.NOISE, rng))


def _echo(cursor: CursorWrapper, now: datetime, rng: Random) -> Post:
    network = rng.choice(rng.choice(CROWD).on)
    lively = select(cursor, _LIVELY, [network, now - _INTEREST, _MAX_ECHOES])
    if not lively:
        return _public_post(cursor, now, rng)
    original = rng.choice(lively)
    others = [p for p in CROWD if network in p.on and p.key != original.author_key]
    text = phrases.say(phrases.ECHOES, rng)
    return _say(cursor, now, rng, network, rng.choice(others), text, answers=original)


def _message(cursor: CursorWrapper, now: datetime, rng: Random) -> Post:
    who, text = rng.choice(CROWD), phrases.say(phrases.MESSAGES, rng)
    network = rng.choice(who.on)
    return _say(cursor, now, rng, network, who, text, to=US[network])


def _mail(cursor: CursorWrapper, now: datetime, rng: Random) -> Post:
    who = rng.choice([person for person in CROWD if person.mail])
    # Subject and body are filled together, so that both name the same flight.
    title, body = phrases.fill("\n".join(rng.choice(phrases.MAILS)), rng).split("\n")
    text = f"Dear Skyward Air,\n\n{body}\n\n{who.name}"
    return _say(cursor, now, rng, MAIL, who, text, to=US[MAIL], title=title)


def _form(cursor: CursorWrapper, now: datetime, rng: Random) -> Post:
    who = rng.choice([person for person in CROWD if person.mail])
    title, text = phrases.fill("\n".join(rng.choice(phrases.FORMS)), rng).split("\n")
    return _say(cursor, now, rng, FORM, who, text, to=US[FORM], title=title)


def _entry(cursor: CursorWrapper, now: datetime, rng: Random) -> Post:
    title, text = phrases.fill("\n".join(rng.choice(phrases.ENTRIES)), rng).split("\n")
    return _say(cursor, now, rng, FEED, rng.choice(CROWD), text, title=title)


def _answer_back(cursor: CursorWrapper, now: datetime, rng: Random) -> list[Post]:
    """Let some people answer our posts after a while. One post in four is never answered."""
    keys = [person.key for person in PEOPLE] + [person.mail for person in PEOPLE if person.mail]
    values: list[Value] = [keys, now - _REPLY_DELAY, now - _INTEREST, keys, MAX_ANSWERS]
    answers = select(cursor, _UNANSWERED, values)
    willing = [answer for answer in answers if crc32(answer.key.encode()) % 4]
    posts = []
    for ours in [answer for answer in willing if rng.random() < 0.4][:2]:
        who = persona(ours.to_key)
        assert who is not None
        moods = (phrases.THANKS, phrases.ANGER, phrases.FOLLOW_UPS)
        text = phrases.say(rng.choices(moods, (5, 3, 2))[0], rng)
        to = ours.author_key if ours.visibility == "private" else ""
        posts.append(_say(cursor, now, rng, ours.network, who, text, to=to, answers=ours))
    return posts


def _comment(cursor: CursorWrapper, now: datetime, rng: Random) -> list[Post]:
    """Sometimes let a reader comment on our newest post with fewer than MAX_COMMENTS comments."""
    values: list[Value] = [BLOG, now - _INTEREST, now, MAX_COMMENTS]
    found = select(cursor, _OPEN_STATEMENT, values)
    if not found or rng.random() > 0.3:
        return []
    text = phrases.say(phrases.COMMENTS, rng)
    return [_say(cursor, now, rng, BLOG, rng.choice(CROWD), text, answers=found[0])]


_ACTIONS: dict[Callable[[CursorWrapper, datetime, Random], Post], int] = {
    _public_post: 50,
    _small_talk: 15,
    _echo: 14,
    _message: 9,
    _mail: 10,
    _form: 2,
    _entry: 2,
}
