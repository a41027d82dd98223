"""Match stored items against a topic that was created or changed after the items were processed.

An item is processed once, with the topics of that time. This module counts the stored items that a
topic would match, marks them, and lets those that are young enough open cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Job, User
from listening import matching
from listening.matching import TopicQuery
from listening.models import Match, Mention, Topic, TopicRevision
from listening.models.mention import MentionQuerySet
from listening.topic_hits import Hits, keep_matches
from scrm.bus.nudge import nudge

MARK = "listening.mark_stored"
MAX_COUNTED = 2_000
"""The page counts matches among this many of the newest items."""
MAX_SCANNED = 50_000
"""The job checks this many of the newest items."""
BATCH = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """How many of the newest stored items a topic matches that are not marked with it yet.

    checked: the number of items that were checked, at most MAX_COUNTED.
    without_case: how many of the matching items are not recorded in the CRM, and so have no case.
    newest: the newest matching items.
    """

    checked: int
    matching: int
    without_case: int
    newest: Sequence[Mention]


def count(topic: Topic) -> Stored:
    if topic.current is None:
        return Stored(0, 0, 0, ())
    rows = list(_unmarked(topic.current).order_by("-pk")[:MAX_COUNTED])
    hits = _hits(topic.current, rows)
    found = [row for row in rows if row.pk in hits]
    bare = sum(row.interaction_id is None for row in found)
    return Stored(len(rows), len(found), bare, found[:5])


def ask(topic: Topic, *, days: int, by: User) -> Job:
    """Create the job that marks the stored items.

    days: items without a case that are younger open one; 0 if none does.
    """
    assert topic.current
    return Job.ask(MARK, by=by, topic=topic.pk, revision=topic.current.pk, days=days)


def mark(job: Job) -> None:
    """Mark the matching items, the newest first, in batches.

    Each batch is stored in one transaction with the progress of the job. So a job that is killed
    continues after its last batch.
    """
    revision = TopicRevision.objects.select_related("topic").get(pk=job.data["revision"])
    days = job.data["days"]
    since = job.started_at - timedelta(days=days) if days else None
    while job.done < MAX_SCANNED and (rows := _next(revision, job)):
        hits = _hits(revision, rows)
        with transaction.atomic():
            opened = _keep(rows, hits, since=since)
            job.note(
                until=rows[-1].pk,
                marked=job.result.get("marked", 0) + len(hits),
                opened=job.result.get("opened", 0) + opened,
            )
            job.progress(job.done + len(rows))
        if opened:
            nudge("scrm.pipeline.process")
    job.finish(_message(job), url=reverse("listening:topic", args=[revision.topic_id]))


def _next(revision: TopicRevision, job: Job) -> list[Mention]:
    rows = _unmarked(revision)
    if "until" in job.result:
        rows = rows.filter(pk__lt=job.result["until"])
    return list(rows.order_by("-pk")[:BATCH])


def _unmarked(revision: TopicRevision) -> MentionQuerySet:
    """Return the processed items that this topic has not matched yet."""
    matched = Match.objects.filter(mention=OuterRef("pk"), revision__topic=revision.topic_id)
    rows = Mention.objects.filter(~Exists(matched), processed_at__isnull=False)
    return rows.only("pk", "title", "text", "interaction_id", "sort_at", "scope", "author_name")


def _hits(revision: TopicRevision, rows: Iterable[Mention]) -> Hits:
    terms = (tuple(revision.any_of), tuple(revision.all_of), tuple(revision.none_of))
    matcher = matching.compile([TopicQuery(revision.pk, *terms)])
    found = {row.pk: matcher.match(row.title, row.text) for row in rows}
    return {pk: hits for pk, hits in found.items() if hits}


def _keep(rows: Sequence[Mention], hits: Hits, *, since: datetime | None) -> int:
    """Store the hits; return how many items are processed again, so that they open cases."""
    matching_rows = [row for row in rows if row.pk in hits]
    recorded = {row.pk: row.interaction_id for row in matching_rows if row.interaction_id}
    keep_matches(hits, recorded)
    if since is None:
        return 0
    # Only items that are not recorded: a recorded one was routed already, even if its case is done.
    young = [row.pk for row in matching_rows if row.interaction_id is None and row.sort_at >= since]
    return Mention.objects.filter(pk__in=young, interaction=None).bring_in()


def _message(job: Job) -> str:
    marked, opened = job.result.get("marked", 0), job.result.get("opened", 0)
    text: str = ngettext("%d stored item marked.", "%d stored items marked.", marked) % marked
    if opened:
        told = ngettext(
            "%d item will be routed to a case.", "%d items will be routed to cases.", opened
        )
        text = f"{text} {told % opened}"
    if job.done >= MAX_SCANNED:
        text = f"{text} {_('Older items were not checked.')}"
    return text
