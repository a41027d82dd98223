"""Import survey answers from a file: check each row, and record each valid row exactly once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Attachment, Interaction, Job, Notice, User
from routing.offline import record
from routing.offline.cells import Voice, voice
from routing.offline.column_guess import SCORE, TEXT
from routing.offline.record import OfflineContact
from scrm.bus.nudge import nudge
from scrm.db.locks import locked
from scrm.db.retry import again
from scrm.text.csv_file import Bad, Row, Sheet, Unreadable, read

BATCH = 200
"""Number of rows that are recorded in one transaction."""
IMPORT = "routing.import_survey"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read a file.

    columns: the content of each column; see `column_guess`.
    order, country: as in `cells.voice`.
    """

    encoding: str
    delimiter: str
    heading: bool
    columns: tuple[str, ...]
    order: str = ""
    country: str = ""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Plan:
        return cls(**data | {"columns": tuple(data["columns"])})

    @property
    def mark(self) -> str:
        """Return a fingerprint of the plan. Different plans have different fingerprints."""
        return sha256(repr(self).encode()).hexdigest()[:16]

    def read(self, raw: bytes) -> Sheet:
        return read(raw, encoding=self.encoding, delimiter=self.delimiter, heading=self.heading)


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of checking a file.

    good: (line number, content) of each row without an error.
    bad: all errors.
    """

    good: list[tuple[int, Voice]]
    bad: list[Bad]

    @property
    def skipped(self) -> int:
        """Return the number of rows that cannot be imported.

        A row with several errors is counted once.
        """
        return len({bad.row.line for bad in self.bad})


def judge(sheet: Sheet, plan: Plan, *, now: datetime) -> Judged:
    """Check each row of the file. The import uses the same check."""
    good: list[tuple[int, Voice]] = []
    bad: list[Bad] = []
    for row in sheet.rows:
        found, faults = _check_row(row, sheet, plan, now)
        if found:
            good.append((row.line, found))
        bad += [Bad(row, column, why) for column, why in faults]
    return Judged(good, bad)


def _check_row(
    row: Row, sheet: Sheet, plan: Plan, now: datetime
) -> tuple[Voice | None, list[tuple[str, str]]]:
    """Check one row; return its content, and its errors as (column heading, message).

    If there are errors, the content is None.
    """
    if row.wrong:
        return None, [("", row.wrong)]
    if any(cell.strip() for cell in row.cells[sheet.width :]):
        why = _("This row has %(n)s cells, but the file has %(width)s columns. Put "
                "quotation marks around a text that contains the delimiter.")  # fmt: skip
        return None, [("", why % {"n": len(row.cells), "width": sheet.width})]
    found, wrong = voice(_cells(row, sheet, plan), now=now, order=plan.order, country=plan.country)
    faults = [(_column(what, sheet, plan), why) for what, why in wrong.items()]
    return (None if faults else found), faults


def _cells(row: Row, sheet: Sheet, plan: Plan) -> dict[str, str]:
    """Return a dict from kind of content to the cell of the row.

    If there are several text columns, their cells are combined into one text. In this text, each
    cell follows the heading of its column. The scores are added at the end of the text.
    """
    cells: dict[str, str] = {}
    texts: list[str] = []
    scores: list[str] = []
    several = plan.columns.count(TEXT) > 1
    for n, (what, cell) in enumerate(zip(plan.columns, row.cells, strict=False)):
        typed = cell.strip()
        if what == TEXT and typed:
            texts.append(f"{sheet.heading_of(n)}\n{typed}" if several else typed)
        elif what == SCORE and typed:
            scores.append(f"{sheet.heading_of(n)}: {typed}")
        elif what:
            cells[what] = typed
    cells[TEXT] = "\n\n".join([*texts, *(["\n".join(scores)] if scores else [])])
    return cells


def _column(what: str, sheet: Sheet, plan: Plan) -> str:
    """Return the heading of the first column with this content; "" if no column has it."""
    numbers = [n for n, content in enumerate(plan.columns) if content == what]
    return sheet.heading_of(numbers[0]) if numbers else ""


def imported(upload: Attachment) -> Job | None:
    """Return the job that imports this upload; None if no import was started."""
    return Job.objects.filter(kind=IMPORT, data__upload=str(upload.uuid)).first()


def twin(raw: bytes) -> Job | None:
    """Return a job that imports a file with the same content, or None.

    Failed jobs are ignored. The job may belong to any user.
    """
    jobs = Job.objects.filter(kind=IMPORT, data__digest=sha256(raw).hexdigest())
    return jobs.select_related("owner").exclude(state=Job.State.FAILED).first()


@transaction.atomic
def ask(upload: Attachment, raw: bytes, plan: Plan, judged: Judged, *, title: str, by: User) -> Job:
    """Start and return a job that imports the valid rows.

    If the upload has a job already, return that job and start none.
    """
    # Lock the upload: two clicks must not start two jobs.
    if job := imported(locked(Attachment.objects.filter(pk=upload.pk)).get()):
        return job
    return Job.ask(
        IMPORT,
        by=by,
        file=ContentFile(raw, name="survey.csv"),
        total=len(judged.good),
        upload=str(upload.uuid),
        plan=asdict(plan),
        title=title,
        digest=sha256(raw).hexdigest(),
    )


def try_again(job: Job) -> None:
    """Continue a failed job. The rows that the job already imported are not imported again."""
    failed = Job.objects.filter(pk=job.pk, state=Job.State.FAILED)
    # Update only a job that is still failed: if a user clicks twice, it is restarted once.
    if failed.update(state=Job.State.QUEUED, attempt=0, ended_at=None, message=""):
        nudge(job.kind, job.pk)


def bring_in(job: Job) -> None:
    """Record the valid rows of the job's file.

    If the job runs again after a crash, no row is recorded twice, because the key of each offline
    contact is computed from the job and the line number.
    """
    try:
        with job.file.open("rb") as file:
            raw = file.read()
        plan = Plan.of(job.data["plan"])
        # Use started_at, not the current time: a second run must get the same result.
        judged = judge(plan.read(raw), plan, now=job.started_at)
    except (OSError, Unreadable) as error:
        job.fail(_("The file can no longer be read: %(why)s") % {"why": error})
        return
    for start in range(job.done, len(judged.good), BATCH):
        batch = judged.good[start : start + BATCH]
        # Record again after a deadlock or a lost connection. This is safe, because a batch is
        # committed completely or not at all.
        again(partial(_record_batch, job, batch))
        # Store the progress after the commit: a second run continues after the last batch.
        job.progress(start + len(batch))
    _finish(job, judged)


def _record_batch(job: Job, batch: Sequence[tuple[int, Voice]]) -> None:
    record.log_all(
        [
            OfflineContact(
                form=uuid.uuid5(job.uuid, str(line)),
                kind="survey answer",
                text=answer.text,
                name=answer.name,
                phone=answer.phone,
                mail=answer.mail,
                said_at=answer.said_at,
                title=job.data["title"],
            )
            for line, answer in batch
        ],
        by=job.owner,
    )


def _by_department(job: Job, judged: Judged) -> str:
    """Return a sentence with the number of imported answers per department.

    Returns "" if no answers were imported.
    """
    keys = [str(uuid.uuid5(job.uuid, str(line))) for line, _answer in judged.good]
    answers = Interaction.objects.filter(scope=record.SCOPE, key__in=keys)
    links = answers.filter(conversation__case_links__ended_at=None)
    names = links.values_list("conversation__case_links__case__department__name")
    counts = names.annotate(n=Count("pk")).order_by("-n")
    numbers = ", ".join(f"{department} {n}" for department, n in counts if department)
    return _(" By department: %s.") % numbers if numbers else ""


def _finish(job: Job, judged: Judged) -> None:
    good, skipped = len(judged.good), judged.skipped
    answers = ngettext("One answer was imported", "%(n)s answers were imported", good)
    rows = ngettext("one row was skipped", "%(n)s rows were skipped", skipped)
    parts = (answers % {"n": good}, rows % {"n": skipped})
    message = ", ".join(parts) + "." + _by_department(job, judged)
    url = reverse("routing:survey", args=[job.data["upload"]])
    # Read the attempt before finish(), which reloads the row.
    attempt = job.attempt
    with transaction.atomic():
        job.finish(message, url=url, skipped=skipped)
        # If the attempt differs, a newer attempt has taken over the job and will notify its owner.
        if job.attempt == attempt:
            Notice.end_of(job)
