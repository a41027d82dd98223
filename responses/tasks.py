"""The Celery tasks of this app. Their arguments are ids of rows."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from crm.models import Job, Notice
from responses import bulk
from responses.file_cleanup import sweep
from responses.models import RecordCheck
from responses.record_check import run


@shared_task(name="responses.bulk")
def carry_out(job: int) -> None:
    mine = Job.objects.select_related("owner").get(pk=job)
    if mine.claim():
        bulk.carry_out(mine, ring=True)
    # claim() marks a job as failed after too many attempts, and then its owner must be notified.
    elif mine.state == Job.State.FAILED:
        Notice.end_of(mine)


@shared_task(name="responses.prove")
def check_record(pk: int) -> None:
    run.check_record(RecordCheck.objects.get(pk=pk), room=run.ROOM)


@shared_task(name="responses.sweep")
def sweep_files() -> None:
    sweep(now=timezone.now())
