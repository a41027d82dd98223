"""The forward hops: tick → poll → process → deliver. Rows say what is due; these move it on.

process: match (no transaction), then in one: identify, record, route, link feedback.
"""

from __future__ import annotations

import random
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from crm.models import Account, Job
from listening.models import Mention, Source
from listening.visit import visit
from responses import outbox, restored_database
from responses.models import Delivery, Proof, Response, Trouble
from responses.results import feedback
from routing.models import Case, Notice, Presence
from scrm.batch import process_or_halve
from scrm.bus.nudge import nudge, nudge_each, nudge_rare, top_up
from scrm.channels.sandbox import community
from scrm.models import Heartbeat

MOST = 500


@shared_task(name="scrm.pipeline.tick")
def tick() -> None:
    """Sweep up all that is due, whatever nudges were lost."""
    now = timezone.now()
    restored_database.look(now=now)
    Source.objects.open_for_new_accounts(now=now)
    top_up("scrm.pipeline.poll", Source.objects.due(now))
    top_up("scrm.pipeline.process", Mention.objects.due(now), most=1)
    Delivery.objects.give_up_on_the_dead(now)
    Delivery.objects.hold_back(now)
    nudge_each("scrm.pipeline.deliver", Delivery.objects.due(now), oldest_by="send_after")
    nudge_rare("scrm.pipeline.settle", Delivery.objects.to_settle(now), oldest_by="settle_after")
    Trouble.objects.look(now=now)
    Case.objects.wake(now=now)
    Presence.objects.sweep(now=now)
    jobs = Job.objects.due(now)
    for kind in set(jobs.values_list("kind", flat=True)):
        nudge_rare(kind, jobs.filter(kind=kind), oldest_by="pk")
    for response in Response.objects.undecided(now)[:MOST]:
        response.escalate(now=now)
    Proof.objects.call_for_the_night(now)
    nudge_rare("responses.prove", Proof.objects.due(now), oldest_by="asked_at")
    nudge_each("routing.mail_notice", Notice.objects.to_mail(now), oldest_by="at")
    feedback.relink(now=now)
    feedback.fall_silent(now=now)
    Heartbeat.beat("tick", now=now)


@shared_task(name="scrm.pipeline.poll")
def poll(source: int | None = None) -> None:
    """Visit this source, or without a number the one that has been due longest."""
    if (done := visit(Source.objects.get(pk=source) if source else None)) and done.new:
        nudge("scrm.pipeline.process")


@shared_task(name="scrm.pipeline.process")
def process() -> int:
    """Take up to 500 mentions from raw to routed → how many; calls itself while more wait."""
    lease = timedelta(seconds=settings.PROCESS_LEASE_SECONDS)
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
    """Let the sandbox's people go on with their lives, if we have an account among them."""
    if Account.objects.active().filter(kind="sandbox").exists():
        community.step(timezone.now(), random.Random())  # noqa: S311
