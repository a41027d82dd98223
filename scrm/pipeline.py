"""The Celery tasks that process due work: usually in the order tick, poll, process, deliver.

Database rows determine what is due. `process` matches mentions without a transaction. A single
transaction then finds the authors of the mentions, records and routes them, and links feedback.
"""

from __future__ import annotations

import random
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from crm.models import Account, Job, Notice
from listening import fetch, paid
from listening.models import Mention, Source
from listening.new_accounts import open_sources
from responses import outbox, release, restored_database, throttle
from responses.models import Delivery, RecordCheck, Response, Trouble
from responses.results import feedback
from routing.tick import run_tick
from scrm.batch import process_or_halve
from scrm.bus.nudge import nudge, nudge_each, nudge_rare, top_up
from scrm.channels.sandbox import community
from scrm.models import Heartbeat

MAX_PER_TASK = 500


@shared_task(name="scrm.pipeline.tick")
def tick() -> None:
    """Start all work that is due, including work whose Celery message (nudge) was lost."""
    now = timezone.now()
    # First, so that sending is stopped before a restored database sends anything.
    restored_database.check(now=now)
    open_sources(now=now)
    paid.watch_budgets(now)
    top_up("scrm.pipeline.poll", Source.objects.due(now))
    top_up("scrm.pipeline.process", Mention.objects.due(now), most=1)
    # Before settle: a delivery whose sender died becomes `unknown` and can then be settled.
    Delivery.objects.give_up_on_the_dead(now)
    # Before deliver: a delivery that exceeds its account's sending limit must not be nudged.
    throttle.hold_back(now)
    nudge_each("scrm.pipeline.deliver", Delivery.objects.due(now), oldest_by="send_after")
    nudge_rare("scrm.pipeline.settle", Delivery.objects.to_settle(now), oldest_by="settle_after")
    Trouble.objects.update_open(now=now)
    run_tick(now=now)
    Account.objects.warn_of_expiry(now=now)
    jobs = Job.objects.due(now)
    for kind in set(jobs.values_list("kind", flat=True)):
        nudge_rare(kind, jobs.filter(kind=kind), oldest_by="pk")
    for response in Response.objects.undecided(now)[:MAX_PER_TASK]:
        release.escalate(response, now=now)
    RecordCheck.objects.start_nightly(now)  # at two o'clock in the workspace's time zone
    nudge_rare("responses.prove", RecordCheck.objects.due(now), oldest_by="asked_at")
    nudge_each("crm.mail_notice", Notice.objects.to_mail(now), oldest_by="at")
    feedback.relink(now=now)
    feedback.fall_silent(now=now)
    # Last, so that the health page reports it if the tick no longer gets to its end.
    Heartbeat.beat("tick", now=now)


@shared_task(name="scrm.pipeline.poll")
def poll(source: int | None = None) -> None:
    """Fetch the source with this id. Without an id, fetch the source that has been due longest."""
    if (done := fetch.fetch_source(Source.objects.get(pk=source) if source else None)) and done.new:
        nudge("scrm.pipeline.process")


@shared_task(name="scrm.pipeline.process")
def process() -> int:
    """Process up to 500 mentions; return their number. If more are due, nudge this task again."""
    lease = timedelta(seconds=settings.PROCESS_LEASE_SECONDS)
    # The claim is committed: if the worker dies after this line, an attempt is used up.
    mentions = Mention.objects.claim_batch(now=timezone.now(), lease=lease)
    if mentions:
        process_or_halve(mentions)
        if Mention.objects.due(timezone.now()).exists():
            nudge("scrm.pipeline.process")
    return len(mentions)


@shared_task(name="scrm.pipeline.deliver")
def deliver(delivery: int) -> None:
    outbox.deliver(Delivery.objects.select_related("account").get(pk=delivery))


@shared_task(name="scrm.pipeline.settle")
def settle(delivery: int) -> None:
    outbox.settle(Delivery.objects.select_related("account").get(pk=delivery))


@shared_task(name="scrm.pipeline.community")
def play() -> None:
    """Let the simulated people of the sandbox act, if an active sandbox account exists."""
    if Account.objects.active().filter(kind__startswith="sandbox").exists():
        community.step(timezone.now(), random.Random())  # noqa: S311
