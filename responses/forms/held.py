from __future__ import annotations

from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from responses.compose import max_length
from responses.forms.composing import version_name
from responses.models import Response


class EditForm(forms.Form):
    """shown: the hash of what was on the page; seen: the last inbound that it knew of."""

    shown = forms.CharField(widget=forms.HiddenInput)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 10}))

    def __init__(self, response: Response, data: Any = None) -> None:
        self.response = response
        super().__init__(
            data,
            initial={
                "shown": response.content_hash,
                "seen": response.case.last_inbound_id if response.case else None,
                "subject": response.subject,
                "text": response.text,
            },
        )

        self.accounts = [each.account for each in response.deliveries.select_related("account")]
        for account in self.accounts:
            if own := response.versions.get(str(account.pk)):
                self.fields[version_name(account)] = forms.CharField(
                    label=_("On %(account)s") % {"account": account},
                    initial=own,
                    widget=forms.Textarea(attrs={"rows": 4}),
                )

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data
        for account in self.accounts:
            name = version_name(account) if version_name(account) in self.fields else "text"
            limit, length = max_length(account), len(typed.get(name, ""))
            if limit and length > limit:
                says = _("%(n)d characters are too many: %(account)s takes %(limit)d at most.")
                self.add_error(name, says % {"n": length, "account": account, "limit": limit})
        return typed

    @property
    def own_words(self) -> list[forms.BoundField]:
        """The fields of what goes to single accounts instead."""
        return [self[name] for name in self.fields if name.startswith("version_")]

    @property
    def versions(self) -> dict[str, str]:
        """What goes to single accounts instead, as the response keeps it."""
        typed = self.cleaned_data
        names = {str(each.pk): version_name(each) for each in self.accounts}
        return {pk: typed[name] for pk, name in names.items() if name in typed}

    def look_again(self) -> None:
        """Sign what is there now, with what was typed kept."""
        case, data = self.response.case, cast(QueryDict, self.data).copy()
        data["shown"] = self.response.content_hash
        data["seen"] = str(case.last_inbound_id or "") if case else ""
        self.data = data


class SendBackForm(forms.Form):
    reason = forms.CharField(
        label=_("What should change"), widget=forms.Textarea(attrs={"rows": 2})
    )


class MarkSentForm(forms.Form):
    url = forms.URLField(
        label=_("Its address, if it has one"),
        max_length=2000,
        required=False,
        assume_scheme="https",
    )
    key = forms.CharField(label=_("Its id there, if you know it"), max_length=400, required=False)
