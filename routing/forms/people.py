"""Forms for the followers and the participants of a case."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.forms.reassign import PersonChoice, with_absence
from crm.models import Contact, Profile, User
from routing.following import may_follow
from routing.forms.base import PlainForm
from routing.forms.case import CaseVerbForm
from routing.models import Case, CaseParticipant
from routing.offline.find_person import chosen
from scrm.web.form_fields import set_choices, set_queryset


class AddFollowerForm(CaseVerbForm):
    """A colleague who can see the case. Those who follow it already are not offered."""

    person = PersonChoice(
        User.objects.none(),
        label=__("Colleague"),
        error_messages={
            "required": __("Choose a colleague."),
            "invalid_choice": __("This user is not active, or cannot see this case."),
        },
    )

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, case=case, **kwargs)
        set_queryset(self, "person", may_follow(case))
        set_choices(self, "person", self._offered)

    def _offered(self) -> list[tuple[Any, str]]:
        others = may_follow(self.case).exclude(followed_cases__case=self.case)
        return [("", _("Colleague…")), *((user.pk, with_absence(user)) for user in others)]


class RemoveFollowerForm(CaseVerbForm):
    person = forms.ModelChoiceField(User.objects.all(), widget=forms.HiddenInput)


class RemoveParticipantForm(CaseVerbForm):
    participant = forms.IntegerField(min_value=1, max_value=2**62, widget=forms.HiddenInput)


class ParticipantForm(PlainForm):
    """A profile or a contact, and its role in the case."""

    person = forms.CharField(
        max_length=40, error_messages={"required": __("Choose a person from the list.")}
    )
    role = forms.ChoiceField(
        choices=CaseParticipant.Role.choices,
        label=__("Role"),
        initial=CaseParticipant.Role.BYSTANDER,  # the authors of the messages are there already
    )

    def clean_person(self) -> Profile | Contact:
        found = chosen(self.cleaned_data["person"])
        if found is None:
            raise forms.ValidationError(_("This person no longer exists. Search again."))
        return found
