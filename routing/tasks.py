"""Celery tasks of `routing`. Each task loads a row and calls a function with the row."""

from __future__ import annotations

from celery import shared_task

from crm.models import Job, Notice
from routing import due_times
from routing.offline import survey


@shared_task(name="routing.import_survey")
def import_survey(job: int) -> None:
    row = Job.objects.select_related("owner").get(pk=job)
    # A job may be queued more than once: only the task that claims the job may run it.
    if row.claim():
        survey.bring_in(row)
    # After too many attempts claim() marks the job as failed: its owner must be notified.
    elif row.state == Job.State.FAILED:
        Notice.end_of(row)


@shared_task(name=due_times.JOB)
def recompute_due_times(job: int) -> None:
    row = Job.objects.select_related("owner").get(pk=job)
    if row.claim():
        due_times.recompute_departments(row)
    elif row.state == Job.State.FAILED:
        Notice.end_of(row)
