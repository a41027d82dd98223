from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models.contact import MAX_TAG_LENGTH


class PlainForm(forms.Form):
    """A form without colons after the labels.

    Its HTML ids contain the name of the form's class. So several forms can be on the same page
    without equal ids.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        kwargs.setdefault("auto_id", f"{type(self).__name__.lower()}_%s")
        super().__init__(*args, **kwargs)


class TagsField(forms.CharField):
    """A field for comma-separated tags.

    The cleaned value is a list of the tags in the typed order, without duplicates.
    """

    def __init__(self, widget: Any = None) -> None:
        super().__init__(
            required=False,
            max_length=500,
            label=__("Tags"),
            help_text=__("Separated by commas."),
            widget=widget,
        )

    def clean(self, value: Any) -> list[str]:  # type: ignore[override]
        words = (" ".join(word.split()) for word in super().clean(value).split(","))
        tags = list(dict.fromkeys(word for word in words if word))
        if any(len(tag) > MAX_TAG_LENGTH for tag in tags):
            message = _("A tag has at most %(n)d characters.")
            raise forms.ValidationError(message % {"n": MAX_TAG_LENGTH})
        return tags
