"""Celery tasks of crm. Each task loads a row and calls one method of this row."""

from __future__ import annotations

from celery import shared_task

from crm import missing_files
from crm.models import Job, Notice


@shared_task(name="crm.mail_notice")
def mail_notice(notice: int) -> None:
    Notice.objects.select_related("user", "by").get(pk=notice).mail()


@shared_task(name=missing_files.FETCH)
def fetch_file(job: int) -> None:
    row = Job.objects.get(pk=job)
    # A job may be queued more than once: only the task that claims the job may run it.
    if row.claim():
        missing_files.fetch(row)
