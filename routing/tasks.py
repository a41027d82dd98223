"""Routing's own verbs as tasks: load a row, call one verb."""

from __future__ import annotations

from celery import shared_task

from routing.models import Notice


@shared_task(name="routing.mail_notice")
def mail_notice(notice: int) -> None:
    Notice.objects.select_related("user", "by", "case__profile").get(pk=notice).mail()
