"""Read lists of X, newest first, from the newest entry back to the last one that was read.

The cursor survives a kill at any time: it is stored with the items. `floor` is the highest id up to
which everything was read. If a list is too long for one fetch, `top` is the highest id of it and
`until` the lowest id that was read; the next fetch continues below `until`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scrm.channels.base import ChannelError
from scrm.channels.x.client import Answer
from scrm.channels.x.errors import charged
from scrm.channels.x.read import id_of, snowflake_at, snowflake_time

PAGES = 5
"""The most pages of one fetch; the next fetch follows at once."""
LAG = timedelta(seconds=60)
"""Posts of the last minute may appear out of order, so they are read again in the next fetch."""
UNTIL_RETRY = 60.0
SMALL_PAGE, LARGE_PAGE = 10, 50
WEEK = timedelta(days=7) - timedelta(minutes=10)
"""A search of recent posts refuses ids that are older."""


@dataclass(frozen=True, slots=True)
class Range:
    """Where to read next. `floor` is exclusive, `until` too; 0 means no bound."""

    floor: int = 0
    until: int = 0
    top: int = 0

    @classmethod
    def of(cls, cursor: Mapping[str, Any]) -> Range:
        """Read a stored cursor; a value that is no id counts as missing."""
        return cls(*(_number(cursor.get(name)) for name in ("floor", "until", "top")))

    @property
    def stored(self) -> dict[str, str]:
        values = {"floor": self.floor, "until": self.until, "top": self.top}
        return {name: str(value) for name, value in values.items() if value}

    def within_a_week(self, now: datetime) -> Range:
        """Return the range without bounds that a search of recent posts refuses."""
        oldest = snowflake_at(now - WEEK)
        if self.until and self.until <= oldest:
            return Range(self.top, 0, 0).within_a_week(now)
        return Range(self.floor if self.floor > oldest else 0, self.until, self.top)


Ask = Callable[[dict[str, Any]], Answer]


@dataclass(slots=True)
class Swept:
    """The result of a sweep.

    pause: seconds that X asked us to wait before the rest. lost: how many entries X may have
    charged for although its answer did not arrive.
    """

    answers: list[Answer] = field(default_factory=list)
    next: Range = field(default_factory=Range)
    complete: bool = False
    pause: float | None = None
    lost: int = 0

    @property
    def read(self) -> int:
        return sum(len(answer.rows) for answer in self.answers)

    def add(self, ask: Ask, asked: dict[str, Any]) -> Answer | None:
        """Read one more page; return None if X refuses it.

        What was read before is paid for, so it is kept: only the first page raises ChannelError.
        """
        try:
            answer = ask(asked)
        except ChannelError as error:
            if not self.answers:
                raise
            self.pause = error.retry_after or UNTIL_RETRY
            self.lost = charged(error, int(asked["max_results"]))
            return None
        self.answers.append(answer)
        self.next = _below(self.next, answer)
        return answer


def sweep(
    ask: Ask, start: Range, *, smallest: int, max_items: int | None, token: str, first: bool
) -> Swept:
    """Read the pages of a list of posts.

    ask: requests one page. smallest: the smallest page that X allows. token: the parameter that
    continues a list. first: nothing was read before; then one page is enough, because older posts
    cost money and nobody waits for them.
    """
    swept = Swept(next=start)
    bounds: dict[str, Any] = {}
    if start.floor:
        bounds["since_id"] = str(start.floor)
    if start.until:
        bounds["until_id"] = str(start.until)
    asked = dict(bounds)
    for _ in range(1 if first else PAGES):
        size = 100 if max_items is None else min(100, max_items - swept.read)
        if size < smallest:
            break
        answer = swept.add(ask, asked | {"max_results": size})
        if answer is None or not answer.next_token:
            swept.complete = answer is not None
            break
        asked = bounds | {token: answer.next_token}
    if swept.complete or first:
        swept.complete = True
        swept.next = _finished(swept.next, swept.answers[0].moment)
    return swept


def sweep_messages(
    ask: Ask, start: Range, token: str, *, max_items: int | None
) -> tuple[Swept, str]:
    """Read the pages of the list of direct messages, which X cannot limit by an id.

    token: continues the list of the last fetch; "" for a new list. Returns the token for the next
    fetch too. The pages begin small, because a known message is paid for again.
    """
    swept, first = Swept(next=start), not (start.floor or start.top)
    for size in (SMALL_PAGE, *[LARGE_PAGE] * (PAGES - 1)):
        room = size if max_items is None else min(size, max_items - swept.read)
        if room < 1:
            break
        asked: dict[str, Any] = {"pagination_token": token} if token else {}
        answer = swept.add(ask, asked | {"max_results": room})
        if answer is None:
            break
        token = answer.next_token
        if first or not token or swept.next.until <= start.floor:
            swept.complete, token = True, ""
            swept.next = _finished(swept.next, swept.answers[0].moment)
            break
    return swept, token


def require_room(max_items: int | None, smallest: int, what: str) -> None:
    """Raise ChannelError if so few entries may be read that X returns none."""
    if max_items is not None and max_items < smallest:
        raise ChannelError(
            f"X returns at least {smallest} {what} at a time, but only {max_items} may be read. "
            f"Raise the limit of this source to {smallest} or more."
        )


def _below(done: Range, answer: Answer) -> Range:
    """Return the range with this page counted as read."""
    meta = answer.body.get("meta")
    ends = [meta.get(name) for name in ("newest_id", "oldest_id")] if isinstance(meta, dict) else []
    rows = [row.get("id") for row in answer.rows if isinstance(row, dict)]
    ids = [number for number in map(_number, [*rows, *ends]) if number]
    if not ids:
        return done
    lowest = min([*ids, done.until]) if done.until else min(ids)
    # Only the newest page tells how far the list was read. A post of the last minute that appears
    # late is still above this bound.
    top = done.top or min(max(ids), _settled(max(ids), answer.moment))
    return Range(done.floor, lowest, top)


def _finished(done: Range, moment: datetime) -> Range:
    """Return the next range after a list was read to its end."""
    return Range(max(done.floor, done.top) or snowflake_at(moment - LAG))


def _settled(newest: int, moment: datetime) -> int:
    """Return the id below which no post appears late any more."""
    # An id without a time inside cannot be compared with the clock.
    return newest if snowflake_time(str(newest)) is None else snowflake_at(moment - LAG)


def _number(value: Any) -> int:
    try:
        return int(id_of(value))
    except ValueError:
        return 0
