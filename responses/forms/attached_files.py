"""Form fields for attached files, for all forms in which a text is sent or changed."""

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
    """Form fields for attached files.

    `kept` contains the stored files that the user has kept. `uploads` contains new files. The files
    of both fields will be sent. If no account can send files, the field `uploads` is removed. In
    this case the field `kept` is removed too, unless the response already has files.
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
        """Add a form error if one of these accounts cannot send all of the files.

        Only the error for the first such account is added.
        """
        files = [*self.cleaned_data.get("kept", ()), *self.cleaned_data.get("uploads", ())]
        objections = (objection(files, account) for account in accounts) if files else ()
        if why := next(filter(None, objections), ""):
            self.add_error("uploads" if "uploads" in self.fields else "kept", why)

    def attachments(self) -> list[Attachment]:
        """Return all files to send. Newly uploaded files are unsaved."""
        typed = self.cleaned_data
        return [*typed.get("kept", ()), *as_attachments(typed.get("uploads", ()), by=self.user)]
