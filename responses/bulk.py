"""Run one action on many cases, or undo such a run.

During the run, the job stores its progress and the list of refused cases.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Job, Notice, User
from responses.case_verbs import CASE_VERBS
from routing.case_verb import Bulk, CaseVerb, VerbInput
from routing.models import Case
from routing.models.status import Stale
from routing.undo import restore, snapshot
from scrm.db.locks import locked
from scrm.web.form_fields import first_error

AT_ONCE = 50
"""Maximum number of cases that run within the request; more run as a job."""


def carry_out(job: Job, *, ring: bool = False) -> None:
    """Run the job's action on each selected case, if the job's owner may work on the case.

    If the job is run again after a crash, cases that were already tried are skipped. `ring` says
    whether the owner is notified at the end. It is True if the job runs in a worker: the owner then
    does not wait for the result on a page.
    """
    # An earlier run of this job may have crashed: cases that it changed must not be changed twice.
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
    """Run the job's action on one case, and record the result in the job.

    Both happen in one transaction, so that after a crash no case is changed twice. `last_inbound`
    and `assignee` are the ids of the last inbound interaction and of the assignee that the inbox
    showed. They are None if the case had none.
    """
    workable = Case.objects.workable_by(job.owner).select_related("profile")
    case = locked(workable.filter(pk=pk)).first()
    try:
        if case is None:
            raise Stale(_("You cannot work on this case."))
        if case.sensitive:
            raise Stale(_("This case is sensitive. Open it and handle it individually."))
        before = snapshot(case)
        # A savepoint: a refused action is rolled back, and the refusal is still recorded in the
        # job.
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
    """Run the job's action on one case, with the form values that the job stores.

    Raises Stale if the case has changed, if the action does not apply to it, or if the form values
    are not valid for it.
    """
    verb, bulk = _verb_of(job)
    if not verb.has_effect(case, job.owner):
        return
    form = verb.form_for(case, job.owner, {**bulk.values, **job.data["values"]})
    if not form.is_valid():
        raise Stale(first_error(form))
    verb.run(case, VerbInput(job.owner, form.cleaned_data, last_inbound, assignee))


def _verb_of(job: Job) -> tuple[CaseVerb, Bulk]:
    verb = CASE_VERBS[job.data["verb"]]
    assert verb.bulk, f"{verb.name} is not for several cases"
    return verb, verb.bulk


def _changes(job: Job) -> list[list[Any]]:
    """Return [case id, state before, state after] for each case that the job has changed."""
    return list(job.result.get("changes", []))


def _refused(job: Job) -> list[list[Any]]:
    return list(job.result.get("refused", []))


@transaction.atomic
def take_back(job: Job, *, by: User) -> tuple[int, int]:
    """Undo the job; return the number of restored cases and the number of cases left unchanged.

    If a case was changed after the job, it is not restored. Raises Stale if the job was already
    undone.
    """
    # Every transaction locks the cases before their job.
    list(locked(Case.objects.filter(pk__in=[pk for pk, *_rest in _changes(job)])))
    # The job is locked before it is read: if it is undone twice at once, the second call must see
    # that the first has undone it.
    job = locked(Job.objects.filter(pk=job.pk)).get()
    if job.result.get("undone"):
        raise Stale(_("This action was already undone."))
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
