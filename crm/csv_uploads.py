"""CSV files that users upload for an import: store them, find them again, return their bad rows."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.http import Http404, HttpResponse

from crm.models import Attachment, User
from scrm.text.clean import storable
from scrm.text.csv_file import Bad, Sheet
from scrm.text.csv_file import bad_rows as bad_rows_file
from scrm.web.upload_limits import MAX_CSV_BYTES

MAX_RECEIVED = 5 * MAX_CSV_BYTES
"""Number of bytes that are received, more than `MAX_CSV_BYTES`.

A file between these limits is received and gets an error message at its field.
"""
_TYPE = "text/csv"


def store_upload(raw: bytes, *, name: str, by: User) -> Attachment:
    """Store an uploaded file. Nothing is imported yet."""
    return Attachment.objects.create(
        by=by,
        name=storable(name)[-255:],
        content_type=_TYPE,
        size=len(raw),
        file=ContentFile(raw, name="upload.csv"),
    )


def uploads_of(user: User) -> QuerySet[Attachment]:
    """Return the CSV files that the user uploaded.

    Files of other users are left out, because they may contain customer data.
    """
    return Attachment.objects.filter(by=user, interaction=None, content_type=_TYPE)


def content_of(upload: Attachment) -> bytes:
    """Return the content of the file. Raises Http404 if the file cleanup has deleted it."""
    try:
        with upload.file.open("rb") as file:
            return file.read()  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise Http404 from None


def bad_rows_download(sheet: Sheet, bad: Iterable[Bad]) -> HttpResponse:
    """Return a file with the rows that cannot be imported, so that the user can correct them."""
    disposition = 'attachment; filename="rows-with-errors.csv"'
    headers = {"Content-Disposition": disposition}
    return HttpResponse(bad_rows_file(sheet, bad), content_type=_TYPE, headers=headers)
