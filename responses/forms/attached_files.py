"""The files that leave with a text, for every form that sends or changes one."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.models import Account, Attachment, User
from responses.models import Response
from responses.upload_field import FilesField, KeptField, as_attachments, objection, offered


class FileFields(forms.Form):
    """kept: which of those that are here go along. uploads: new ones, where a file can leave."""

    kept = KeptField()
    uploads = FilesField(label=_("Files"), required=False)

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
        """Whether all that goes along can leave from each of these."""
        files = [*self.cleaned_data.get("kept", ()), *self.cleaned_data.get("uploads", ())]
        objections = (objection(files, account) for account in accounts) if files else ()
        if why := next(filter(None, objections), ""):
            self.add_error("uploads" if "uploads" in self.fields else "kept", why)

    def attachments(self) -> list[Attachment]:
        """All that goes along, what is new of it not stored yet."""
        typed = self.cleaned_data
        return [*typed.get("kept", ()), *as_attachments(typed.get("uploads", ()), by=self.user)]
