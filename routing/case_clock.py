"""Decide which clocks of a case run, and when each is due, from stored facts only.

A response clock runs from the oldest unanswered message of the case. Because it depends on nothing
else, a second message never moves its due time, and it can be computed again at any time: after a
transfer, a new priority, new opening hours, a merge or a split. The resolution clock has pauses, so
the time spent before a pause is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from routing.clock import Hours, NoWorkingTime, due, warn_at, working_seconds_between

Kind = Literal["first", "next", "resolution"]
KINDS: tuple[Kind, ...] = ("first", "next", "resolution")
RESUME_WITHIN = timedelta(minutes=10)
"""A case that is open again so soon was closed by mistake: its resolution clock goes on."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The unanswered message that waits longest.

    since: the time from which it counts. That is when it was said, or when we received it if it was
    heard late.
    window_ends: the earliest time until which a channel lets us reply to one of the unanswered
      messages; None if no channel has such a limit.
    item: the id of the message.
    """

    since: datetime
    heard_late: bool = False
    window_ends: datetime | None = None
    item: int | None = None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the clocks of a case depend on.

    opened_at: when the case was opened, or when it was last opened again.
    waiting: None if no message is unanswered.
    answered: whether we have ever answered in this case.
    closed: whether the case is done or noise.
    paused: whether the resolution clock stands still, because we wait for a reply or because the
    case is snoozed in a department in which snoozing pauses it.
    """

    opened_at: datetime
    waiting: Waiting | None
    answered: bool
    closed: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of a department and a priority in seconds of working time; None for no target."""

    first: int | None = None
    next: int | None = None
    resolution: int | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock of a case.

    target_s: the seconds of working time; None if only the reply window of the channel limits it.
    spent_s: the seconds of working time until `running_since`.
    running_since: None if the clock stands still.
    due_at, warn_at: None if the clock stands still.
    stopped_at: the time at which the clock ended; None as long as it is current.
    item_id: the message that waits for an answer; None for the clock of the resolution.
    """

    kind: Kind
    hours: Hours
    target_s: int | None
    spent_s: float = 0.0
    running_since: datetime | None = None
    due_at: datetime | None = None
    warn_at: datetime | None = None
    heard_late: bool = False
    by_window: bool = False
    stopped_at: datetime | None = None
    item_id: int | None = None


Clocks = dict[Kind, Clock]


def clocks_of(
    facts: CaseFacts, targets: Targets, hours: Hours, before: Mapping[Kind, Clock], now: datetime
) -> Clocks:
    """Return the clocks of a case, with those that end now.

    before: the latest clock of each kind, also if it ended.
    """
    wanted = [
        _response(facts, targets, hours),
        _resolution(facts, targets, hours, before.get("resolution"), now),
    ]
    clocks: Clocks = {clock.kind: clock for clock in wanted if clock}
    for kind, clock in before.items():
        if kind not in clocks and clock.stopped_at is None:
            clocks[kind] = stopped(clock, now)
    return clocks


def stopped(clock: Clock, now: datetime) -> Clock:
    """Return the clock as it ends now; the due time stays, to compare it with the end."""
    return replace(clock, spent_s=spent(clock, now), running_since=None, stopped_at=now)


def spent(clock: Clock, now: datetime) -> float:
    """Return the working seconds that the clock has run."""
    if clock.running_since is None:
        return clock.spent_s
    return clock.spent_s + working_seconds_between(clock.running_since, now, clock.hours)


def _response(facts: CaseFacts, targets: Targets, hours: Hours) -> Clock | None:
    waiting = facts.waiting
    if facts.closed or waiting is None:
        return None
    kind: Kind = "next" if facts.answered else "first"
    target = targets.next if facts.answered else targets.first
    by_target = _due(waiting.since, target, hours)
    ends = [at for at in (by_target, waiting.window_ends) if at]
    if not ends:
        return None
    due_at = min(ends)
    return Clock(
        kind, hours, target, 0.0, waiting.since, due_at, warn_at(waiting.since, due_at, hours),
        heard_late=waiting.heard_late, by_window=due_at != by_target, item_id=waiting.item,
    )  # fmt: skip


def _resolution(
    facts: CaseFacts, targets: Targets, hours: Hours, before: Clock | None, now: datetime
) -> Clock | None:
    target = targets.resolution
    # Without a target, a clock goes on: the target may come back, and the time must not be lost.
    if facts.closed or (target is None and before is None):
        return None
    clock = _resumed(facts, hours, before, now)
    clock = replace(clock, target_s=target, by_window=False)
    if clock.hours != hours or facts.paused:
        # What was spent under the old hours, or before the pause, stays spent.
        since = max(now, clock.running_since or now)
        clock = replace(clock, spent_s=spent(clock, now), running_since=since, hours=hours)
    if facts.paused:
        return replace(clock, running_since=None, due_at=None, warn_at=None)
    since = clock.running_since or now
    if target is None:
        return replace(clock, running_since=since, due_at=None, warn_at=None)
    left = max(target - clock.spent_s, 0)
    due_at = _due(since, left, hours) if left else since
    warned = warn_at(since, due_at, hours, spent=clock.spent_s) if due_at else None
    return replace(clock, running_since=since, due_at=due_at, warn_at=warned)


def _resumed(facts: CaseFacts, hours: Hours, before: Clock | None, now: datetime) -> Clock:
    """Return the clock that goes on, or a new one: from the opening, or from the reopening."""
    if before is None:
        # The pauses until now are not known. If the case is paused, they may be all of its time.
        since = None if facts.paused else facts.opened_at
        return Clock("resolution", hours, None, running_since=since)
    if before.stopped_at is None or now - before.stopped_at <= RESUME_WITHIN:
        return replace(before, stopped_at=None)
    return Clock("resolution", hours, None, running_since=now)


def _due(start: datetime, target: float | None, hours: Hours) -> datetime | None:
    if target is None:
        return None
    try:
        return due(start, target, hours)
    except NoWorkingTime:
        return None
