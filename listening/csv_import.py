"""Import mentions from the CSV export of another listening tool: check all rows, then store them.

The import is a job. It stores the items in batches, each in one transaction with the progress of
the job. So an import that is killed continues after its last batch and counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Attachment, Job, Notice, User
from listening.fetch import store
from listening.models import Fetch, Seen, Source
from scrm.bus.nudge import nudge
from scrm.channels.base import Item
from scrm.channels.csv_import.channel import KIND
from scrm.channels.csv_import.read import Plan, Reading, read_rows
from scrm.db.locks import locked
from scrm.db.retry import again
from scrm.text.csv_file import Unreadable

IMPORT = "listening.import_mentions"
BATCH = 500
"""Number of items that are stored in one transaction."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the rows of a file are. Each row is counted once.

    known: rows that were imported before, and rows that repeat another row of the file.
    bad: rows that cannot be imported.
    """

    new: int
    known: int
    bad: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose for the source.

    cases_since: mentions that are older than this open no cases.
    """

    name: str
    stance: str
    cases_since: datetime


def count(reading: Reading) -> Counts:
    """Return what an import would do now, without doing it."""
    places = {(item.scope, item.key) for _line, item in reading.items}
    known = len(Seen.objects.known(places))
    return Counts(len(places) - known, known + reading.repeated, reading.bad_rows)


def imported(upload: Attachment) -> Job | None:
    """Return the job that imports this upload; None if no import was started."""
    # The job has the UUID of the upload, because the page of the upload asks every few seconds.
    return Job.objects.filter(kind=IMPORT, uuid=upload.uuid).first()


@transaction.atomic
def ask(
    upload: Attachment, raw: bytes, plan: Plan, reading: Reading, settings: Settings, *, by: User
) -> Job:
    """Start and return the job that imports the rows without errors.

    If the upload has a job already, return that job and start none.
    """
    # Lock the upload: two clicks must not start two jobs.
    if job := imported(locked(Attachment.objects.filter(pk=upload.pk)).get()):
        return job
    source = _source(settings, by)
    fetch = source.fetches.create(attempt=source.attempt, size=len(raw))
    return Job.ask(
        IMPORT,
        by=by,
        file=ContentFile(raw, name="mentions.csv"),
        total=len(reading.items),
        form=upload.uuid,
        upload=str(upload.uuid),
        plan=asdict(plan),
        fetch=fetch.pk,
        cases_since=settings.cases_since.isoformat(),
        stance=settings.stance,
    )


def _source(settings: Settings, by: User) -> Source:
    """Return the CSV source with this name. It is created if there is none.

    An existing source gets the chosen settings.
    """
    facts = {"stance": settings.stance, "cases_since": settings.cases_since}
    source = Source.objects.filter(kind=KIND, name=settings.name).first()
    if source is None:
        address, new = settings.name, {"name": settings.name, "owner": by, **facts}
        # Another admin may create the source at the same moment: the unique address decides.
        source, _new = Source.objects.get_or_create(
            kind=KIND, address=address, account=None, defaults=new
        )
    for name, value in facts.items():
        setattr(source, name, value)
    source.save(update_fields=list(facts))
    return source


def try_again(job: Job) -> None:
    """Continue a failed import. The rows that were imported already are not imported again."""
    failed = Job.objects.filter(pk=job.pk, state=Job.State.FAILED)
    # Update only a job that is still failed: if a user clicks twice, it is restarted once.
    if failed.update(state=Job.State.QUEUED, attempt=0, ended_at=None, message=""):
        nudge(job.kind, job.pk)


def reading_of(job: Job, raw: bytes) -> Reading:
    """Read the rows as the job reads them. Raises Unreadable."""
    plan = Plan.of(job.data["plan"])
    # Use started_at, not the current time: a second run must get the same result.
    return read_rows(plan.read(raw), plan, now=job.started_at)


def bring_in(job: Job) -> None:
    """Store the items of the job's file, beginning after those that an earlier run stored."""
    try:
        with job.file.open("rb") as file:
            reading = reading_of(job, file.read())
    except (OSError, Unreadable) as error:
        job.fail(_("The file can no longer be read: %(why)s") % {"why": error})
        give_up(job)
        return
    items = [item for _line, item in reading.items]
    for start in range(job.done, len(items), BATCH):
        # Repeat after a deadlock or a lost connection: a batch is stored completely or not at all.
        if not again(partial(_store, job, items[start : start + BATCH], start)):
            return
        nudge("scrm.pipeline.process")
    again(partial(_finish, job, reading))


@transaction.atomic
def _store(job: Job, items: Sequence[Item], start: int) -> bool:
    """Store some items and the progress. Return False if another worker has taken over the job."""
    if not locked(Job.objects.fenced(job)).exists():
        return False
    fetch = Fetch.objects.get(pk=job.data["fetch"])
    source = locked(Source.objects.filter(pk=fetch.source_id)).get()
    # Only in memory: the settings of this import decide, even if a later import has other ones.
    source.cases_since = datetime.fromisoformat(job.data["cases_since"])
    source.stance = job.data["stance"]
    # Only in memory: a mention without a date counts as old in every import, not only in the first.
    source.last_ok_at = None
    new = store(fetch, source, items, now=timezone.now())
    found = {"new": F("new") + new, "found": F("found") + len(items)}
    Fetch.objects.filter(pk=fetch.pk).update(**found)
    job.progress(start + len(items))
    return True


@transaction.atomic
def _finish(job: Job, reading: Reading) -> None:
    """End the job and its fetch, and tell the user the result."""
    if not locked(Job.objects.fenced(job)).exists():
        return
    now = timezone.now()
    fetch = Fetch.objects.get(pk=job.data["fetch"])
    fetch.quarantined = fetch.quarantined_items.count()
    fetch.end(Fetch.Outcome.OK if fetch.new else Fetch.Outcome.UNCHANGED, now=now)
    Source.objects.filter(pk=fetch.source_id).update(last_ok_at=now)
    known = len(reading.items) + reading.repeated - fetch.new - fetch.quarantined
    counts = Counts(fetch.new, known, reading.bad_rows)
    url = reverse("listening:csv_import", args=[job.data["upload"]])
    message = _message(counts, fetch.quarantined)
    job.finish(message, url=url, source=fetch.source_id, **asdict(counts))
    Notice.end_of(job)


def _message(counts: Counts, quarantined: int) -> str:
    new = ngettext("%(n)s mention was imported", "%(n)s mentions were imported", counts.new)
    known = ngettext("%(n)s was known already", "%(n)s were known already", counts.known)
    bad = ngettext("%(n)s row with errors was skipped", "%(n)s rows with errors were skipped",
                   counts.bad)  # fmt: skip
    parts = [(new, counts.new), (known, counts.known), (bad, counts.bad)]
    if quarantined:
        parts.append((_("%(n)s quarantined"), quarantined))
    return ", ".join(part % {"n": n} for part, n in parts) + "."


def give_up(job: Job) -> None:
    """Mark the fetch of a failed import as failed, and tell the user."""
    # Another worker may have taken over the job before it was marked as failed.
    if job.state != Job.State.FAILED:
        return
    now = timezone.now()
    fetch = Fetch.objects.filter(pk=job.data["fetch"], outcome=Fetch.Outcome.RUNNING)
    fetch.update(outcome=Fetch.Outcome.FAILED, ended_at=now, error=job.message)
    Notice.end_of(job)
