"""The style guide page, which shows each repeated page element with its real CSS classes.

So a change of the style sheets is visible on this page immediately.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django import forms
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from crm.access import StaffRequest, admin_only

PARTS = {
    "tokens": _("Tokens"),
    "icons": _("Icons"),
    "people": _("People"),
    "type": _("Type"),
    "chips": _("Chips"),
    "buttons": _("Buttons"),
    "fields": _("Fields"),
    "rows": _("Rows"),
    "states": _("States"),
    "says": _("Messages of a page"),
    "said": _("Messages in a timeline"),
}
_TOKEN = re.compile(r"--([a-z-]+): light-dark\(([^,]+), ([^)]+)\);")
_ICON = re.compile(r'<symbol[^>]* id="([a-z-]+)"')


class Sample(forms.Form):
    """A form with one field of each kind. Some fields are invalid, so that errors are shown."""

    name = forms.CharField(label=_("Text field"), initial="Seat policy", help_text=_("Help text."))
    mail = forms.EmailField(label=_("Text field with an error"))
    text = forms.CharField(label=_("Text area"), widget=forms.Textarea(attrs={"rows": 2}))
    one = forms.ChoiceField(label=_("Select"), choices=[("a", _("Nobody")), ("b", _("Me"))])
    day = forms.DateField(label=_("Date"), widget=forms.DateInput(attrs={"type": "date"}))
    way = forms.ChoiceField(
        label=_("Radio buttons"),
        choices=[("a", _("Addressed to us")), ("b", _("About us"))],
        widget=forms.RadioSelect,
    )
    places = forms.MultipleChoiceField(
        label=_("Checkboxes"),
        choices=[("a", _("Our blog")), ("b", _("The microblog"))],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one account.")},
    )
    sure = forms.BooleanField(label=_("Checkbox"), required=False)


@require_safe
@admin_only
def style(request: StaffRequest) -> HttpResponse:
    typed = {"name": "Seat policy", "mail": "not an address", "text": "Hello", "one": "a"}
    shown: dict[str, Any] = {
        "parts": PARTS.items(),
        "tokens": _TOKEN.findall(_static("css/base.css")),
        "icons": _ICON.findall(_static("icons.svg")),
        "colours": range(8),
        "form": Sample(typed | {"day": "2026-03-04", "way": "a", "sure": "on"}),
    }
    return render(request, "style/style.html", shown)


def _static(name: str) -> str:
    found = finders.find(name)
    return Path(str(found)).read_text() if found else ""
