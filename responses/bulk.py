"""One verb for many cases: with progress, with what could not be done, and with one undo."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Job, User
from responses.compose import answer_nothing
from routing.models import Case, Issue, Notice
from routing.models.status import Stale

AT_ONCE = 50
"""As many are done while the page waits; more are done as a job that the page follows."""

Verb = Callable[[Case, dict[str, Any], User], object]


def _finish(case: Case, _asked: dict[str, Any], by: User) -> None:
    case.finish(by=by, seen=case.last_inbound_id, why=_("Done together with others."))


def _claim(case: Case, _asked: dict[str, Any], by: User) -> None:
    case.claim(by=by, seen=case.assignee_id)


def _assign(case: Case, asked: dict[str, Any], by: User) -> None:
    case.assign(to=User.objects.active().filter(pk=asked["person"] or 0).first(), by=by)


def _tag(case: Case, asked: dict[str, Any], by: User) -> None:
    case.tag(add=[asked["tag"]], by=by)


def _group(case: Case, asked: dict[str, Any], by: User) -> None:
    case.group(Issue.objects.get(pk=asked["issue"]), by=by)


def _nothing(case: Case, asked: dict[str, Any], by: User) -> None:
    answer_nothing(case, by=by, why=asked["why"], seen=case.last_inbound_id)


def _snooze(case: Case, _asked: dict[str, Any], by: User) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    until = timezone.make_aware(datetime.combine(tomorrow, time(9)))
    case.snooze(until=until, by=by, seen=case.last_inbound_id)


def _set_aside(case: Case, _asked: dict[str, Any], by: User) -> None:
    case.set_aside(by=by, why=_("Set aside together with others."))


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


def carry_out(job: Job, *, ring: bool = False) -> None:
    """Do it to each case that its owner may work on. A second run goes on where one died.

    ring: whoever asked does not wait for it, so a notice tells them that it has ended.
    """
    verb, by = VERBS[job.data["verb"]], job.owner
    changes: list[list[Any]] = list(job.result.get("changes", []))
    refused: list[list[Any]] = list(job.result.get("refused", []))
    tried = {pk for pk, *_rest in (*changes, *refused)}
    workable = Case.objects.workable_by(by).select_related("department", "profile")
    for pk in [pk for pk in job.data["cases"] if pk not in tried]:
        case = workable.filter(pk=pk).first()
        if case is None:
            refused.append([pk, _("It is not yours to work on.")])
            continue
        before = case.standing
        try:
            verb(case, job.data, by)
        except Stale as stale:
            refused.append([pk, str(stale)])
        else:
            changes.append([pk, before, Case.objects.get(pk=pk).standing])
        if not len(changes) % 20:
            job.note(changes=changes, refused=refused)
            job.progress(len(changes) + len(refused))
    said = _said(len(changes), len(refused))
    job.progress(len(changes) + len(refused))
    with transaction.atomic():
        job.finish(said, changes=changes, refused=refused)
        if ring:
            Notice.end_of(job)


def take_back(job: Job, *, by: User) -> tuple[int, int]:
    """Put every case back as it stood → how many were, how many had changed since."""
    back = left = 0
    for pk, before, after in job.result.get("changes", []):
        case = Case.objects.workable_by(by).filter(pk=pk).first()
        try:
            if case is None:
                raise Stale(_("It is not yours to work on."))
            case.put_back(before, after=after, by=by)
            back += 1
        except Stale:
            left += 1
    job.note(undone=True)
    return back, left


def _said(done: int, refused: int) -> str:
    said = ngettext("%d case.", "%d cases.", done) % done
    if refused:
        left = ngettext("%d was left as it is.", "%d were left as they are.", refused)
        said = f"{said} {left % refused}"
    return said
