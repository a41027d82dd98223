from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from responses.forms.composing import Composing
from responses.models import Delivery, Response


class CorrectForm(Composing):
    """The words that stand there now, to be changed. seen: the version that they are."""

    subject = forms.CharField(label=_("Title"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 10}))

    def __init__(self, now: Response, posts: Sequence[Delivery], data: Any = None) -> None:
        self.now, self.posts = now, posts
        super().__init__(data, initial={"seen": now.pk, "subject": now.subject, "text": now.text})

    @property
    def is_stale(self) -> bool:
        return self.cleaned_data.get("seen") != self.now.pk

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.check_length([post.account for post in self.posts])
        same = (data.get("text"), data.get("subject")) == (self.now.text, self.now.subject)
        if same and not self.now.versions:
            self.add_error("text", _t("These are the words that stand there already."))
        return data


class TakeDownForm(forms.Form):
    why = forms.CharField(
        label=_("Why it is taken down"),
        max_length=500,
        help_text=_("For the record; readers do not see it."),
    )
