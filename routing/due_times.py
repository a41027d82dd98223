"""Compute when cases are due. No other code writes `CaseClock`, `Case.due_at` or
`Case.received_late`.

The clocks of a case follow from stored facts alone: its oldest unanswered message, its department
and priority, the targets, and the opening hours. So a case can be recomputed at any time, for
example after a transfer or a merge, and the result is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep

from django.db import connection, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Job
from routing.case_clock import CaseFacts, Clock, Clocks, Kind, Targets, Waiting, clocks_of, stopped
from routing.models import Calendar, Case, CaseClock, CaseEvent, ItemDecision, ResponseTarget
from routing.models.calendar import AROUND_THE_CLOCK, HoursInForce
from routing.models.status import CLOSED, LIVING, Status
from routing.unanswered import UnansweredItem, oldest_unanswered

AT_ONCE = 500
"""The number of cases that the job locks and recomputes in one transaction."""
MAX_PREVIEWED = 5_000
MAX_WAIT_S = 60
"""A backup reads all tables in one long transaction. The job does not wait for its end."""
JOB = "routing.recompute_due_times"

_RESPONSES: tuple[Kind, ...] = ("first", "next")


@dataclass(frozen=True, slots=True)
class Settings:
    """What admins set: the targets by department and priority, and the opening hours."""

    targets: Mapping[tuple[int, str], Targets]
    hours: HoursInForce

    @classmethod
    def load(cls) -> Settings:
        return cls(ResponseTarget.objects.by_department(), Calendar.objects.in_force())

    def targets_of(self, case: Case) -> Targets:
        return self.targets.get((case.department_id, case.priority), Targets())


@dataclass
class _Writes:
    """The rows to write: clocks that change or end, new clocks, and cases.

    cases: id → the values of `due_at` and `received_late`.
    to_warn, to_breach: clocks whose warning or due time moved into the future, so that people must
      be told again.
    """

    changed: list[CaseClock] = field(default_factory=list)
    to_warn: list[CaseClock] = field(default_factory=list)
    to_breach: list[CaseClock] = field(default_factory=list)
    created: list[CaseClock] = field(default_factory=list)
    cases: dict[int, tuple[datetime | None, bool]] = field(default_factory=dict)


def recompute(cases: Collection[int], *, now: datetime | None = None) -> None:
    """Compute the clocks and the due times of these cases, given by their ids.

    Call this in the transaction that changed the cases, while they are locked. The number of SQL
    statements does not depend on the number of cases.
    """
    if not cases:
        return
    now = now or timezone.now()
    rows = list(_with_reopenings(cases))
    writes = _Writes()
    settings = Settings.load()
    before = _latest(cases)
    waiting = oldest_unanswered(cases)
    decided = _decided(before)
    for case in rows:
        old = before[case.pk]
        clocks = _clocks(case, waiting.get(case.pk), old, settings, now)
        _compare(case, clocks, old, decided, settings, writes, now)
        values = (earliest(clocks), _is_received_late(clocks))
        if values != (case.due_at, case.received_late):
            writes.cases[case.pk] = values
    _write(writes)


def earliest(clocks: Clocks) -> datetime | None:
    """Return the earliest due time of the current clocks."""
    times = (clock.due_at for clock in clocks.values() if clock.stopped_at is None)
    return min((at for at in times if at), default=None)


def _is_received_late(clocks: Clocks) -> bool:
    return any(clock.heard_late for clock in clocks.values() if clock.stopped_at is None)


def _clocks(
    case: Case,
    item: UnansweredItem | None,
    before: Mapping[Kind, CaseClock],
    settings: Settings,
    now: datetime,
) -> Clocks:
    hours = settings.hours.of(case.department_id)
    first = before.get("first")
    # The clock of the first answer goes on as long as its own message is unanswered.
    still_first = bool(item and first and first.item_id == item.interaction)
    # An edit after the first answer starts another clock.
    if item and item.edited_at and case.first_response_at:
        still_first = still_first and item.edited_at < case.first_response_at
    facts = CaseFacts(
        opened_at=case.reopened_at or case.opened_at,  # type: ignore[attr-defined]
        waiting=Waiting(item.since, item.heard_late, item.window_ends, item.interaction)
        if item
        else None,
        answered=case.first_response_at is not None and not still_first,
        closed=case.status in CLOSED,
        paused=case.status == Status.WAITING
        or (case.status == Status.SNOOZED and hours.snooze_pauses),
    )
    old = {kind: _pure(row) for kind, row in before.items()}
    return clocks_of(facts, settings.targets_of(case), hours.hours, old, now)


def _with_reopenings(cases: Collection[int]) -> QuerySet[Case]:
    """Return these cases with `reopened_at`: when each was last opened again, or None."""
    events = CaseEvent.objects.filter(case=OuterRef("pk"), kind=CaseEvent.Kind.REOPENED)
    last = events.order_by("-at").values("at")[:1]
    return Case.objects.filter(pk__in=cases).annotate(reopened_at=Subquery(last)).order_by("pk")


def _pure(row: CaseClock) -> Clock:
    hours = row.revision.hours if row.revision else AROUND_THE_CLOCK.hours
    return Clock(kind=row.kind, hours=hours, **row.values())  # type: ignore[arg-type]


def _latest(cases: Collection[int]) -> defaultdict[int, dict[Kind, CaseClock]]:
    rows = CaseClock.objects.filter(case__in=cases).select_related("revision")
    latest: defaultdict[int, dict[Kind, CaseClock]] = defaultdict(dict)
    for row in rows.order_by("case", "kind", "-pk").distinct("case", "kind"):
        latest[row.case_id][row.kind] = row  # type: ignore[index]
    return latest


def _decided(clocks: Mapping[int, Mapping[Kind, CaseClock]]) -> set[int]:
    """Return the ids of those messages of these clocks that were decided."""
    items = {row.item_id for rows in clocks.values() for row in rows.values() if row.item_id}
    found = ItemDecision.objects.current().filter(interaction__in=items)
    return set(found.values_list("interaction", flat=True))


def _compare(
    case: Case,
    clocks: Clocks,
    before: Mapping[Kind, CaseClock],
    decided: Set[int],
    settings: Settings,
    writes: _Writes,
    now: datetime,
) -> None:
    """Add what has to be written so that the stored clocks of the case are these clocks."""
    revision = settings.hours.of(case.department_id).revision
    for kind, clock in clocks.items():
        row = before.get(kind)
        if row is not None and _was_answered(row, clock, decided):
            # An older message was answered, and a newer one waits: two clocks, one after the other.
            _set(row, stopped(_pure(row), now), row.revision_id)
            writes.changed.append(row)
            row = None
        elif row is not None and not _goes_on(row, clock):
            row = None
        if row is None:
            row = CaseClock(case=case, kind=kind)
            _set(row, clock, revision)
            writes.created.append(row)
        else:
            _change(row, clock, row.revision_id if clock.stopped_at else revision, writes, now)


def _was_answered(row: CaseClock, clock: Clock, decided: Set[int]) -> bool:
    """Return whether the message of a stored clock was decided, and another one waits.

    It is not enough that another message waits longer: that message may have been received late, or
    may have come into the case by a merge.
    """
    runs = row.stopped_at is None and clock.stopped_at is None and clock.kind in _RESPONSES
    return runs and row.item_id in decided


def _goes_on(row: CaseClock, clock: Clock) -> bool:
    """Return whether the stored clock is this one: it is current, or its end was undone."""
    if row.stopped_at is None:
        return True
    if clock.kind in _RESPONSES:
        # A message that was edited later waits again: this is another clock.
        is_again = clock.running_since is not None and clock.running_since > row.stopped_at
        return row.item_id == clock.item_id and not is_again
    return clock.spent_s > 0


def _change(
    row: CaseClock, clock: Clock, revision: int | None, writes: _Writes, now: datetime
) -> None:
    warn_at, due_at = row.warn_at, row.due_at
    if _set(row, clock, revision):
        writes.changed.append(row)
    if row.warn_at and row.warn_at > now and row.warn_at != warn_at:
        writes.to_warn.append(row)
    if row.due_at and row.due_at > now and row.due_at != due_at:
        writes.to_breach.append(row)


def _set(row: CaseClock, clock: Clock, revision: int | None) -> bool:
    """Copy the clock to the row; return whether something changed."""
    before = row.values() | {"revision": row.revision_id}
    for name in before.keys() - {"revision"}:
        setattr(row, name, getattr(clock, name))
    row.revision_id = revision
    return before != row.values() | {"revision": row.revision_id}


# Not `warned_at` and `breached_at`: the alarms write them without a lock on the case.
_COLUMNS = (
    "target_s", "revision", "spent_s", "running_since", "due_at", "warn_at", "stopped_at",
    "heard_late", "by_window", "item",
)  # fmt: skip


def _write(writes: _Writes) -> None:
    # Change first: a clock must have ended before the next one of its kind begins.
    if writes.changed:
        CaseClock.objects.bulk_create(
            writes.changed, update_conflicts=True, unique_fields=["id"], update_fields=_COLUMNS
        )
    if writes.to_warn:
        CaseClock.objects.filter(pk__in=[row.pk for row in writes.to_warn]).update(warned_at=None)
    if writes.to_breach:
        late = [row.pk for row in writes.to_breach]
        CaseClock.objects.filter(pk__in=late).update(breached_at=None)
    if writes.created:
        CaseClock.objects.bulk_create(writes.created)
    if writes.cases:
        due_at, received_late = map(list, zip(*writes.cases.values(), strict=True))
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE routing_case SET due_at = new.due_at, received_late = new.received_late "
                "FROM unnest(%s::bigint[], %s::timestamptz[], %s::boolean[]) "
                "AS new (id, due_at, received_late) WHERE routing_case.id = new.id",
                [list(writes.cases), due_at, received_late],
            )


def why_no_due_time(case: Case) -> str:
    """Return why an open case has no due time, for staff; "" if it has one or is closed."""
    if case.due_at or case.is_closed:
        return ""
    if not oldest_unanswered([case.pk]):
        return _("Not due: no message waits for an answer.")
    return _("Not due: no target for %(priority)s in %(department)s.") % {
        "priority": case.get_priority_display(),
        "department": case.department,
    }


def open_cases(departments: Collection[int]) -> list[int]:
    """Return the ids of the open cases of these departments, in order."""
    cases = Case.objects.filter(department__in=departments, status__in=LIVING)
    return list(cases.order_by("pk").values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Preview:
    """What new settings would change.

    changed: ids of the open cases that get another due time.
    late, no_longer_late: ids of the cases that become overdue, or stop being overdue.
    """

    changed: list[int]
    late: list[int]
    no_longer_late: list[int]


def preview(settings: Settings, departments: Collection[int], *, now: datetime) -> Preview:
    """Return what these settings would change for the open cases of these departments.

    At most `MAX_PREVIEWED` cases are examined.
    """
    cases = open_cases(departments)[:MAX_PREVIEWED]
    before, waiting = _latest(cases), oldest_unanswered(cases)
    result = Preview([], [], [])
    for case in _with_reopenings(cases):
        due_at = earliest(_clocks(case, waiting.get(case.pk), before[case.pk], settings, now))
        was_late, is_late = _is_past(case.due_at, now), _is_past(due_at, now)
        if due_at != case.due_at:
            result.changed.append(case.pk)
        if is_late and not was_late:
            result.late.append(case.pk)
        if was_late and not is_late:
            result.no_longer_late.append(case.pk)
    return result


def _wait_for_older_transactions() -> None:
    """Wait until the transactions that may have read older targets have ended.

    Until then, their cases are not visible. A transaction keeps a lock on each table that it has
    read, so the list of locks names them. The wait takes at most `MAX_WAIT_S`.
    """
    readers = older = _readers_of_targets()
    until = monotonic() + MAX_WAIT_S
    while older and monotonic() < until:
        sleep(0.1)
        older = readers & _readers_of_targets()


def _readers_of_targets() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            # Another database of the server may have a table with the same id.
            "SELECT virtualtransaction FROM pg_locks "
            "JOIN pg_database ON pg_database.oid = pg_locks.database "
            "WHERE datname = current_database() AND relation = %s::regclass "
            "AND pid <> pg_backend_pid()",
            [ResponseTarget._meta.db_table],
        )
        return {transaction for (transaction,) in cursor.fetchall()}


def _is_past(at: datetime | None, now: datetime) -> bool:
    return at is not None and at < now


def recompute_departments(job: Job) -> None:
    """Recompute all open cases of the departments of a job, `AT_ONCE` locked cases at a time."""
    _wait_for_older_transactions()
    cases = [pk for pk in open_cases(job.data["departments"]) if pk > job.result.get("last", 0)]
    for start in range(0, len(cases), AT_ONCE):
        part = cases[start : start + AT_ONCE]
        with transaction.atomic():
            recompute([case.pk for case in Case.objects.filter(pk__in=part).lock()])
        job.note(last=part[-1])
        job.progress(start + len(part))
    job.finish(_("Due times recalculated for %d open cases.") % len(cases))
