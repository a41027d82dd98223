"""Fetch a file of a large item that was not fetched with the item, when a user asks for it.

A `Job` stores the request: its UUID is the UUID of the attachment that it creates, and is computed
from the item and the section. So each file is fetched and stored once, also after a double click.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from tempfile import TemporaryFile
from uuid import UUID, uuid5

from celery.exceptions import SoftTimeLimitExceeded
from django.core.files import File
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from crm.models import Attachment, Interaction, Job, User
from crm.models.attachment import stored_name
from scrm.bus.nudge import nudge
from scrm.channels.base import ChannelError
from scrm.channels.missing_file import MissingFile
from scrm.db.locks import locked

FETCH = "crm.fetch_file"


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that was not fetched yet. job: the last request for it, or None."""

    file: MissingFile
    job: Job | None = None

    @property
    def is_running(self) -> bool:
        return self.job is not None and self.job.state in (Job.State.QUEUED, Job.State.RUNNING)

    @property
    def error(self) -> str:
        return self.job.message if self.job and self.job.state == Job.State.FAILED else ""


def missing_files(item: Interaction, fetched: Iterable[Attachment]) -> list[ListedFile]:
    """Return the files of the item that are not among its attachments."""
    present = {each.uuid for each in fetched}
    uuids = {file: uuid_of(item, file.section) for file in item.mail.missing_files.files}
    missing = {file: uuid for file, uuid in uuids.items() if uuid not in present}
    if not missing:
        return []
    jobs = {job.uuid: job for job in Job.objects.filter(uuid__in=missing.values())}
    return [ListedFile(file, jobs.get(uuid)) for file, uuid in missing.items()]


def uuid_of(item: Interaction, section: str) -> UUID:
    return uuid5(item.uuid, section)


def file_of(item: Interaction, section: str) -> MissingFile | None:
    files = item.mail.missing_files.files
    return next((file for file in files if file.section == section), None)


def ask(item: Interaction, file: MissingFile, *, by: User) -> None:
    """Let a worker fetch the file. Nothing happens if it was fetched, or is being fetched.

    A file that was fetched and deleted since is fetched again.
    """
    uuid = uuid_of(item, file.section)
    if file.is_too_large or Attachment.objects.filter(uuid=uuid).exists():
        return
    job = Job.ask(FETCH, by=by, form=uuid, item=item.pk, section=file.section)
    ended = Job.objects.filter(pk=job.pk, state__in=[Job.State.FAILED, Job.State.DONE])
    # One UPDATE for the comparison and the change: two clicks must not start the job twice.
    if ended.update(state=Job.State.QUEUED, attempt=0, ended_at=None, message=""):
        nudge(FETCH, job.pk)


def fetch(job: Job) -> None:
    """Fetch and store the file of the job, which must be claimed."""
    item = Interaction.objects.select_related("account").get(pk=job.data["item"])
    file = file_of(item, job.data["section"])
    account = item.account
    fetch_file = account.channel.fetch_file if account else None
    if file is None or account is None or fetch_file is None:
        job.fail(_("The mailbox of this file is not connected any more."))
        return
    try:
        with TemporaryFile() as content:
            fetch_file(
                account.credentials, item.mail.missing_files, file.section, item.key, content
            )
            _store(item, file, job.uuid, File(content))
    except ChannelError as error:
        job.fail(str(error))
    except SoftTimeLimitExceeded:
        job.fail(_("Fetching the file took too long. Fetch it again later."))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        job.fail(_("The file could not be stored: %(reason)s") % {"reason": reason})
    else:
        job.finish(_("Fetched."))


def _store(item: Interaction, file: MissingFile, uuid: UUID, content: File[bytes]) -> None:
    """Store the file as an attachment of the item, unless another worker did.

    Nothing is stored if the item was erased meanwhile, and with it its list of files.
    """
    size = content.tell()
    content.seek(0)
    row = Attachment(
        uuid=uuid,
        interaction=item,
        name=file.name[-255:],
        content_type=file.content_type,
        size=size,
    )
    row.file.save(stored_name(file.name), content, save=False)
    try:
        with transaction.atomic():
            now = locked(Interaction.objects.filter(pk=item.pk)).first()
            is_listed = now is not None and file_of(now, file.section) is not None
            if is_listed:
                row.save()
    except IntegrityError:
        is_listed = False
    if not is_listed:
        row.file.delete(save=False)
