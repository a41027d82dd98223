from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Profile, User
from crm.record import tellable
from routing.forms.base import PlainForm
from routing.models import Case
from scrm.text import storable

OFFLINE_KINDS = [
    ("call", __("Phone call")),
    ("letter", __("Letter")),
    ("survey answer", __("Survey answer")),
    ("comment card", __("Comment card")),
    ("other", __("Other")),
]


class OfflineForm(PlainForm):
    """A touchpoint that no machine heard: who, what kind, what was said, when."""

    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    kind = forms.ChoiceField(choices=OFFLINE_KINDS, label=__("What it was"))
    text = forms.CharField(
        label=__("What was said"),
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={"required": __("Write down what was said.")},
    )
    said_at = forms.DateTimeField(
        required=False,
        label=__("When"),
        help_text=__("Leave it empty for now."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    case = forms.ModelChoiceField(Case.objects.none(), required=False, widget=forms.HiddenInput)
    profile = forms.ModelChoiceField(
        Profile.objects.all(), required=False, widget=forms.RadioSelect, label=__("Who")
    )
    name = forms.CharField(required=False, max_length=300, label=__("Name"))
    phone = forms.CharField(required=False, max_length=40, label=__("Phone number"))

    def __init__(
        self, *args: Any, user: User, found: list[Profile] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["case"].queryset = Case.objects.workable_by(user)  # type: ignore[attr-defined]
        self.offers(found or [])

    def offers(self, found: list[Profile]) -> None:
        """Show these people to choose from, and always the way to name somebody new."""
        stranger = ("", _("Somebody else, named below"))
        people = [(str(profile.pk), _who(profile)) for profile in found]
        self.fields["profile"].choices = [*people, stranger]  # type: ignore[attr-defined]

    def clean_said_at(self) -> datetime | None:
        at = tellable(self.cleaned_data["said_at"])
        if at and at > timezone.now():
            raise forms.ValidationError(_("This is in the future. When was it said?"))
        return at

    def clean_phone(self) -> str:
        phone: str = self.cleaned_data["phone"].strip()
        if phone and not re.fullmatch(r"\+?[\d ()/.\-]{3,}", phone):
            raise forms.ValidationError(_("A number has digits, spaces and a leading plus only."))
        return phone

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        named = any(data.get(each) for each in ("case", "profile", "name", "phone"))
        if not named and "phone" not in self.errors:
            self.add_error("name", _("Choose who it was, or write a name or a number."))
        return data


def _who(profile: Profile) -> str:
    parts = [str(profile), profile.handle if profile.handle != str(profile) else ""]
    contact = profile.contact
    known = str(contact.get_kind_display()) if contact else _("stranger")
    return " · ".join(part for part in (*parts, profile.network, known) if part)


def find_profiles(words: str) -> list[Profile]:
    """Up to 20 people whose name, handle, key or contact's name has these words in it."""
    if not (wanted := storable(words).split()):
        return []
    like = Q()
    for word in wanted:
        like &= (
            Q(name__icontains=word)
            | Q(handle__icontains=word)
            | Q(key__icontains=word)
            | Q(links__contact__name__icontains=word, links__ended_at=None)
        )
    found = Profile.objects.filter(like).distinct().prefetch_related("links__contact")
    return list(found.order_by("name", "pk")[:20])
