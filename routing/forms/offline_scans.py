from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.files.base import File
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Attachment, User
from scrm.text.clean import storable
from scrm.web.upload_limits import MAX_FILE_BYTES, MAX_SCANS, size_words

_LIMIT = size_words(MAX_FILE_BYTES)
_TYPES = {
    "application/pdf": ((".pdf",), (b"%PDF-",)),
    "image/png": ((".png",), (b"\x89PNG\r\n\x1a\n",)),
    "image/jpeg": ((".jpg", ".jpeg"), (b"\xff\xd8\xff",)),
    "image/tiff": ((".tif", ".tiff"), (b"II*\x00", b"MM\x00*")),
}
ACCEPTED = ",".join(ending for endings, _starts in _TYPES.values() for ending in endings)


HELP = format_lazy(
    __("PDF, PNG, JPEG or TIFF, up to {limit} each. You can choose several files."), limit=_LIMIT
)


class _SeveralFiles(forms.FileInput):
    allow_multiple_selected = True

    def value_from_datadict(self, _data: Any, files: Any, name: str) -> Any:
        return files.getlist(name) if hasattr(files, "getlist") else []


class ScansField(forms.FileField):
    """A field for several files.

    If a file is refused, the error contains the name of the file and the reason.
    """

    widget = _SeveralFiles(
        attrs={
            "accept": ACCEPTED,
            "data-largest": MAX_FILE_BYTES,
            "data-too-large": format_lazy(
                __("One of these files is larger than {limit}. Choose the files again without it."),
                limit=_LIMIT,
            ),
        }
    )

    def clean(self, data: Any, _initial: Any = None) -> list[UploadedFile[bytes]]:
        files = [file for file in data or [] if file]
        if wrong := [why for file in files if (why := trouble(file))]:
            raise forms.ValidationError(wrong)
        if len(files) > MAX_SCANS:
            raise forms.ValidationError(_("At most %(n)s files at once.") % {"n": MAX_SCANS})
        return files


def trouble(file: UploadedFile[bytes]) -> str:
    """Return an error message if this file cannot be accepted, else ""."""
    name = str(file.name)
    if not file.size:
        return _("“%(name)s” is empty.") % {"name": name}
    if file.size > MAX_FILE_BYTES:
        return _(
            "“%(name)s” has %(size)s. The limit is %(limit)s. Scan it at a lower resolution, or in "
            "parts."
        ) % {"name": name, "size": filesizeformat(file.size), "limit": _LIMIT}
    if not content_type(file):
        return _("“%(name)s” is not a PDF, PNG, JPEG or TIFF file.") % {"name": name}
    return ""


def content_type(file: UploadedFile[bytes]) -> str:
    """Return the content type of the file.

    Returns "" if the type is not allowed, or if the first bytes and the extension of the file do
    not belong to the same type.
    """
    # Look at the bytes of the file: the type that the browser sends may be false.
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    ending = PurePath(str(file.name)).suffix.lower()
    for kind, (endings, starts) in _TYPES.items():
        if ending in endings and start.startswith(starts):
            return kind
    return ""


def as_attachments(files: Iterable[UploadedFile[bytes]], *, by: User) -> list[Attachment]:
    """Build an attachment for each of these files. The attachments are not saved."""
    return [
        Attachment(
            by=by,
            name=storable(str(file.name))[-255:],
            content_type=content_type(file),
            size=file.size or 0,
            # Store the file under a generated name: the user's file name must not become a path.
            file=File(file, name=f"scan{PurePath(str(file.name)).suffix.lower()}"),
        )
        for file in files
    ]
