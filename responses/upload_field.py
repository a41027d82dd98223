"""Form fields and functions for files that are sent with a text.

If a form is shown again with errors, its valid uploads are stored, so that users need not choose
the files again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django import forms
from django.core.files.base import File
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from crm.models import Account, Attachment, User
from responses.models import Response
from scrm.text.clean import storable
from scrm.web.upload_limits import MAX_FILE_BYTES, MAX_FILES, size_words

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _SeveralFiles(forms.FileInput):
    allow_multiple_selected = True

    def value_from_datadict(self, _data: Any, files: Any, name: str) -> Any:
        return files.getlist(name) if hasattr(files, "getlist") else []


class FilesField(forms.FileField):
    """A form field for several files of any kind.

    If some files cannot be sent, the field has one error for each of these files.
    """

    widget = _SeveralFiles

    def clean(self, data: Any, _initial: Any = None) -> list[UploadedFile[bytes]]:
        files = [file for file in data or [] if file]
        if wrong := [why for file in files if (why := trouble(file))]:
            raise forms.ValidationError(wrong)
        return files


def trouble(file: UploadedFile[bytes]) -> str:
    """Return why this file cannot be sent, or "" if it can be sent."""
    if not file.size:
        return _("“%(name)s” is empty.") % {"name": file.name}
    if file.size > MAX_FILE_BYTES:
        return _("“%(name)s” has %(size)s. The limit is %(limit)s. Your text was kept.") % {
            "name": file.name,
            "size": filesizeformat(file.size),
            "limit": size_words(MAX_FILE_BYTES),
        }
    return ""


class KeptField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Checkboxes for files that are already stored.

    Only the files whose checkboxes are ticked are sent.
    """

    def __init__(self) -> None:
        super().__init__(
            Attachment.objects.none(), label=_l("Files"), required=False, to_field_name="uuid"
        )


def objection(files: Sequence[UploadedFile[bytes] | Attachment], account: Account) -> str:
    """Return why the account cannot send all of these files together, or "" if it can."""
    total, most = sum(file.size or 0 for file in files), account.channel.carries
    if not most:
        message = _("%(account)s cannot send files. Remove them, or choose another channel.")
        return message % {"account": account}
    if len(files) > MAX_FILES:
        return _("Attach at most %(n)d files.") % {"n": MAX_FILES}
    if total > most:
        message = _("These files have %(size)s together. The limit of %(account)s is %(most)s.")
        sizes = {"size": filesizeformat(total), "most": filesizeformat(most)}
        return message % ({"account": account} | sizes)
    return ""


def as_attachments(files: Iterable[UploadedFile[bytes]], *, by: User) -> list[Attachment]:
    """Return unsaved attachments for these uploaded files."""
    return [
        Attachment(
            by=by,
            name=storable(str(file.name))[-255:],
            content_type=storable(file.content_type or "application/octet-stream")[:100],
            size=file.size or 0,
            # The stored file gets a name of ours, because the user's file name must not become a
            # path.
            file=File(file, name=f"file{_ending(str(file.name))}"),
        )
        for file in files
    ]


def _ending(name: str) -> str:
    ending = PurePath(name).suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,10}", ending) else ""


def offered(user: User, response: Response | None = None) -> QuerySet[Attachment]:
    """Return the files that the user can attach.

    These are files that the user uploaded and that belong to no response yet, and the files that
    already belong to `response`.
    """
    unused = Q(by=user, interaction=None, responses=None)
    if response is None:
        return Attachment.objects.filter(unused)
    return Attachment.objects.filter(unused | Q(responses=response)).distinct()


def named(among: QuerySet[Attachment], uuids: Iterable[object]) -> list[Attachment]:
    """Return the files in `among` whose UUIDs are in `uuids`. Invalid UUIDs are ignored."""
    valid = [UUID(uuid) for uuid in uuids if isinstance(uuid, str) and _UUID.fullmatch(uuid)]
    return list(among.filter(uuid__in=valid).order_by("pk")) if valid else []


def attach_files(response: Response, files: Sequence[Attachment], *, by: User) -> None:
    """Replace the files of a response, and record the changes in its history.

    The given files may be unsaved.
    """
    before = list(response.attachments.all())
    for file in files:
        # The file cleanup may have deleted a stored file: its row must not be inserted again.
        file.save(force_update=file.pk is not None)
    response.attachments.set(files)
    for verb, names in (
        ("Removed", [file.name for file in before if file not in files]),
        ("Added", [file.name for file in files if file not in before]),
    ):
        if names:
            response.note(f"{verb}: {', '.join(names)}.", by=by, now=timezone.now())


def take_back(response: Response) -> list[str]:
    """Detach the files from an undone response and return their UUIDs, for its author's draft.

    If another user uploaded one of these files, the file belongs to the author from now on.
    """
    files = list(response.attachments.filter(interaction=None))
    if files:
        response.attachments.remove(*files)
        Attachment.objects.filter(pk__in=[file.pk for file in files]).update(by=response.author)
        names = ", ".join(file.name for file in files)
        message = f"Files restored to the draft: {names}."
        response.note(message, by=response.author, now=timezone.now())
    return [str(file.uuid) for file in files]


def keep(request: HttpRequest, user: User, response: Response | None = None) -> list[Attachment]:
    """Store the valid uploads of a form that is shown again; return all files of the form.

    These are the new uploads and the files that were stored before.
    """
    kept = named(offered(user, response), request.POST.getlist("kept"))
    fresh = [file for file in request.FILES.getlist("uploads") if not trouble(file)]
    for row in as_attachments(fresh[: max(MAX_FILES - len(kept), 0)], by=user):
        row.save()
        kept.append(row)
    return kept
