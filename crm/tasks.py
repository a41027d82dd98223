"""Celery tasks of crm. Each task loads a row and calls one method of this row."""

from __future__ import annotations

from celery import shared_task

from crm.models import Notice


@shared_task(name="crm.mail_notice")
def mail_notice(notice: int) -> None:
    Notice.objects.select_related("user", "by").get(pk=notice).mail()
