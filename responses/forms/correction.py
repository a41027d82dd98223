from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from responses.compose import Place
from responses.forms.composing import Composing
from responses.models import Delivery, Response


class CorrectForm(Composing):
    """A form to correct the text that is online now.

    `seen` is the id of the newest version of the post that the page showed.
    """

    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 10}))

    def __init__(
        self, now: Response, newest: Response, posts: Sequence[Delivery], data: Any = None
    ) -> None:
        self.now, self.newest, self.posts = now, newest, posts
        initial = {"seen": newest.pk, "subject": now.subject, "text": now.text}
        super().__init__(data, initial=initial)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.check_length(
            Place(post.account, visibility=self.now.visibility) for post in self.posts
        )
        same = (data.get("text"), data.get("subject")) == (self.now.text, self.now.subject)
        pressed_twice = data.get("form") == self.now.uuid
        if same and not self.now.versions and not pressed_twice:
            self.add_error("text", _t("The text is unchanged."))
        return data


class TakeDownForm(forms.Form):
    """A form to take down a post.

    `seen` is the id of the newest version of the post that the page showed.
    """

    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    why = forms.CharField(
        label=_("Reason"),
        max_length=500,
        help_text=_("Internal. Readers do not see it."),
    )

    def look_again(self, seen: int) -> None:
        """Prepare the form to be shown again below the newer version. The user's input is kept.

        When the user submits the form again, the newer version (`seen`) counts as seen.
        """
        data = cast(QueryDict, self.data).copy()
        data["seen"] = str(seen)
        self.data = data
