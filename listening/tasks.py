"""Celery tasks of `listening`. Each task loads a row and calls a function with the row."""

from __future__ import annotations

from celery import shared_task

from crm.models import Job
from listening import csv_import, stored_items


@shared_task(name="listening.import_mentions")
def import_mentions(job: int) -> None:
    row = Job.objects.select_related("owner").get(pk=job)
    # A job may be queued more than once: only the task that claims the job may run it.
    if row.claim():
        csv_import.bring_in(row)
    # After too many attempts claim() marks the job as failed: its owner must be notified.
    elif row.state == Job.State.FAILED:
        csv_import.give_up(row)


@shared_task(name="listening.mark_stored")
def mark_stored(job: int) -> None:
    row = Job.objects.select_related("owner").get(pk=job)
    if row.claim():
        stored_items.mark(row)
