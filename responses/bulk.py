"""Run one verb on many cases, with progress, a list of refusals, and one undo."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Job, Notice, User
from responses.case_verbs import CASE_VERBS
from routing.case_verbs import Bulk, CaseVerb, VerbInput
from routing.models import Case
from routing.models.status import Stale
from routing.undo import restore, snapshot
from scrm.db.locks import locked
from scrm.web.form_fields import first_error

AT_ONCE = 50
"""Maximum number of cases that run within the request; more run as a job."""


def carry_out(job: Job, *, ring: bool = False) -> None:
    """Run the job's verb on each case that its owner may work on.

    A second run continues after the cases of the first one. ring: notify the owner at the end,
    because they do not wait for it.
    """
    # An earlier run of this job may have died: its cases must not be changed twice.
    tried = {pk for pk, *_rest in (*_changes(job), *_refused(job))}
    for pk, last, assignee in job.data["cases"]:
        if pk not in tried:
            _do_one(job, pk, last or None, assignee or None)
            job.progress(len(_changes(job)) + len(_refused(job)))
    with transaction.atomic():
        job.finish(_result_message(job))
        if ring:
            Notice.end_of(job)


@transaction.atomic
def _do_one(job: Job, pk: int, last_inbound: int | None, assignee: int | None) -> None:
    """Change one case and note it in the job, in one transaction: a crash repeats nothing.

    last_inbound, assignee: ids that the case's row showed; None for none.
    """
    workable = Case.objects.workable_by(job.owner).select_related("profile")
    case = locked(workable.filter(pk=pk)).first()
    try:
        if case is None:
            raise Stale(_("You cannot work on this case."))
        before = snapshot(case)
        # A savepoint: a refused verb is rolled back, and the refusal is still noted.
        with transaction.atomic():
            _run(job, case, last_inbound, assignee)
            after = snapshot(Case.objects.get(pk=pk))
            if after == before:
                raise Stale(_("Already done."))
    except Stale as stale:
        job.note(refused=[*_refused(job), [pk, str(stale)]])
    else:
        job.note(changes=[*_changes(job), [pk, before, after]])


def _run(job: Job, case: Case, last_inbound: int | None, assignee: int | None) -> None:
    """Run the job's verb with the job's values. Raises Stale, also if the case refuses a value."""
    verb, bulk = _verb_of(job)
    form = verb.form_for(case, {**bulk.values, **job.data["values"]})
    if not form.is_valid():
        raise Stale(first_error(form))
    verb.run(case, VerbInput(job.owner, form.cleaned_data, last_inbound, assignee))


def _verb_of(job: Job) -> tuple[CaseVerb, Bulk]:
    verb = CASE_VERBS[job.data["verb"]]
    assert verb.bulk, f"{verb.name} is not for several cases"
    return verb, verb.bulk


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
    # Cases before their job: the order in which every transaction locks them.
    list(locked(Case.objects.filter(pk__in=[pk for pk, *_rest in _changes(job)])))
    # Locked before it is read: of two undos at once, the second must see the first one's mark.
    job = locked(Job.objects.filter(pk=job.pk)).get()
    if job.result.get("undone"):
        raise Stale(_("This was already undone."))
    back = left = 0
    for pk, before, after in _changes(job):
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


def _result_message(job: Job) -> str:
    _verb, bulk = _verb_of(job)
    done, refused = len(_changes(job)), len(_refused(job))
    message = str(bulk.message) % (ngettext("%d case.", "%d cases.", done) % done)
    if refused:
        left = ngettext("%d was left unchanged.", "%d were left unchanged.", refused)
        message = f"{message} {left % refused}"
    return message
