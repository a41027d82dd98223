"""Run one verb on many cases, with progress, a list of refusals, and one undo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext

from crm.models import Job, Notice, User
from responses.compose import answer_nothing
from routing.models import Case, Issue
from routing.models.status import Stale
from routing.undo import restore, snapshot
from scrm.db.locks import locked

AT_ONCE = 50
"""Up to this number of cases the page waits; more run as a job that the page follows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to do to one case. last, assignee: ids that its row showed; None for none."""

    data: dict[str, Any]
    by: User
    last: int | None
    assignee: int | None


Verb = Callable[[Case, Asked], object]


def _finish(case: Case, asked: Asked) -> None:
    case.finish(by=asked.by, seen=asked.last, why=_("Changed in bulk."))


def _claim(case: Case, asked: Asked) -> None:
    case.claim(by=asked.by, seen=asked.assignee)


def _assign(case: Case, asked: Asked) -> None:
    person = asked.data["person"]
    to = User.objects.active().filter(pk=person or 0).first()
    if person and to is None:
        raise Stale(_("This user is no longer active. Nothing was changed."))
    case.assign(to=to, by=asked.by)


def _tag(case: Case, asked: Asked) -> None:
    case.tag(add=[asked.data["tag"]], by=asked.by)


def _group(case: Case, asked: Asked) -> None:
    case.group(Issue.objects.get(pk=asked.data["issue"]), by=asked.by)


def _nothing(case: Case, asked: Asked) -> None:
    answer_nothing(case, by=asked.by, why=asked.data["why"], seen=asked.last)


def _snooze(case: Case, asked: Asked) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    until = timezone.make_aware(datetime.combine(tomorrow, time(9)))
    case.snooze(until=until, by=asked.by, seen=asked.last)


def _set_aside(case: Case, asked: Asked) -> None:
    case.set_aside(by=asked.by, why=_("Changed in bulk."))


VERBS: dict[str, Verb] = {
    "done": _finish,
    "claim": _claim,
    "assign": _assign,
    "tag": _tag,
    "issue": _group,
    "nothing": _nothing,
    "snooze": _snooze,
    "noise": _set_aside,
}


_DONE = {
    "done": __("Done: %s"),
    "claim": __("Taken: %s"),
    "assign": __("Assigned: %s"),
    "tag": __("Tagged: %s"),
    "issue": __("Added to the issue: %s"),
    "nothing": __("Closed without reply: %s"),
    "snooze": __("Snoozed until tomorrow: %s"),
    "noise": __("Marked as noise: %s"),
}


def carry_out(job: Job, *, ring: bool = False) -> None:
    """Run the job's verb on each case that its owner may work on.

    A second run continues where the first one died. ring: the owner does not wait for it, so a
    notice tells when it has ended.
    """
    # Cases that an earlier run of this job dealt with.
    tried = {pk for pk, *_rest in (*_changes(job), *_refused(job))}
    for pk, last, assignee in job.data["cases"]:
        if pk not in tried:
            asked = Asked(job.data, job.owner, last or None, assignee or None)
            _do_one(job, pk, asked)
            job.progress(len(_changes(job)) + len(_refused(job)))
    with transaction.atomic():
        job.finish(_said(job.data["verb"], len(_changes(job)), len(_refused(job))))
        if ring:
            Notice.end_of(job)


@transaction.atomic
def _do_one(job: Job, pk: int, asked: Asked) -> None:
    """Change one case and the job's record of it in one transaction: a crash repeats nothing."""
    workable = Case.objects.workable_by(asked.by).select_related("profile")
    case = locked(workable.filter(pk=pk)).first()
    try:
        if case is None:
            raise Stale(_("You cannot work on this case."))
        before = snapshot(case)
        # A savepoint: a refused verb is rolled back, and the refusal is still noted.
        with transaction.atomic():
            VERBS[job.data["verb"]](case, asked)
            after = snapshot(Case.objects.get(pk=pk))
            if after == before:
                raise Stale(_("Already done."))
    except Stale as stale:
        job.note(refused=[*_refused(job), [pk, str(stale)]])
    else:
        job.note(changes=[*_changes(job), [pk, before, after]])


def _changes(job: Job) -> list[list[Any]]:
    """[case id, state before, state after] of each case that was changed."""
    return list(job.result.get("changes", []))


def _refused(job: Job) -> list[list[Any]]:
    return list(job.result.get("refused", []))


@transaction.atomic
def take_back(job: Job, *, by: User) -> tuple[int, int]:
    """Undo the job → how many cases were restored, how many had changed since.

    Raises Stale if it was undone before.
    """
    # Locked before it is read: of two undos at once, the second must see the first one's mark.
    job = Job.objects.select_for_update().get(pk=job.pk)
    if job.result.get("undone"):
        raise Stale(_("This was already undone."))
    back = left = 0
    # In the order of keys: all these cases stay locked until the commit.
    for pk, before, after in sorted(_changes(job), key=itemgetter(0)):
        case = Case.objects.workable_by(by).filter(pk=pk).first()
        try:
            if case is None:
                raise Stale(_("You cannot work on this case."))
            restore(case, before, after=after, by=by)
            back += 1
        except Stale:
            left += 1
    job.note(undone=True)
    return back, left


def _said(verb: str, done: int, refused: int) -> str:
    said = _DONE[verb] % (ngettext("%d case.", "%d cases.", done) % done)
    if refused:
        left = ngettext("%d was left unchanged.", "%d were left unchanged.", refused)
        said = f"{said} {left % refused}"
    return said
