"""Celery tasks of routing: each loads a row and calls one verb."""

from __future__ import annotations

from celery import shared_task

from crm.models import Job, Notice
from routing.offline import survey


@shared_task(name="routing.import_survey")
def import_survey(job: int) -> None:
    row = Job.objects.select_related("owner").get(pk=job)
    # A job may be queued more than once: only the task that claims it may run it.
    if row.claim():
        survey.bring_in(row)
    # claim() fails a job after too many attempts: its owner must be notified.
    elif row.state == Job.State.FAILED:
        Notice.end_of(row)
