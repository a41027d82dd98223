"""Fields for attached files, for every form that sends or changes a text."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from crm.models import Account, Attachment, User
from responses.models import Response
from responses.upload_field import FilesField, KeptField, as_attachments, objection, offered
from scrm.web.upload_limits import MAX_FILE_BYTES, MAX_FILES, size_words


class FileFields(forms.Form):
    """Fields for attached files.

    kept: which of the stored files are sent. uploads: new files, if an account can send any.
    """

    kept = KeptField()
    uploads = FilesField(
        label=_("Files"),
        required=False,
        help_text=format_lazy(
            _("Up to {n} files, {limit} together."), n=MAX_FILES, limit=size_words(MAX_FILE_BYTES)
        ),
    )

    def offer_files(
        self, user: User, accounts: Iterable[Account], response: Response | None = None
    ) -> None:
        self.user = user
        kept = self.fields["kept"]
        assert isinstance(kept, forms.ModelMultipleChoiceField)
        kept.queryset = offered(user, response)
        carried = any(account.channel.carries for account in accounts)
        if not carried:
            del self.fields["uploads"]
        if not carried and not (response and response.attachments.exists()):
            del self.fields["kept"]

    def check_files(self, accounts: Iterable[Account]) -> None:
        """Add an error unless each of these accounts can send all the files."""
        files = [*self.cleaned_data.get("kept", ()), *self.cleaned_data.get("uploads", ())]
        objections = (objection(files, account) for account in accounts) if files else ()
        if why := next(filter(None, objections), ""):
            self.add_error("uploads" if "uploads" in self.fields else "kept", why)

    def attachments(self) -> list[Attachment]:
        """All files to send; the new ones are not stored yet."""
        typed = self.cleaned_data
        return [*typed.get("kept", ()), *as_attachments(typed.get("uploads", ()), by=self.user)]
