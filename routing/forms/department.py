from __future__ import annotations

import re
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Conversation, Department, Membership, User
from routing.forms.base import PlainForm
from routing.models.case_conversation import CaseConversation, restrict
from scrm.web.form_fields import set_empty_label, set_queryset


class DepartmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """A department. Its targets and hours are set on the page “Targets and hours”."""

    # This is not in Meta.fields: the form would check the unique constraint, and reject a new
    # fallback before save() has cleared the old one.

    is_fallback = forms.BooleanField(
        required=False, label=__("Fallback department for cases that match no rule")
    )

    class Meta:
        model = Department
        fields = ["name", "colour", "owner", "is_restricted", "accounts"]
        widgets = {
            "colour": forms.TextInput(attrs={"type": "color"}),
            "accounts": forms.CheckboxSelectMultiple,
        }
        labels = {
            "colour": __("Colour"),
            "is_restricted": __(
                "Restricted: other departments see only that a conversation exists"
            ),
            "accounts": __("Accounts from which members send replies and posts"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        set_queryset(self, "owner", User.objects.active())
        set_empty_label(self, "owner", _("choose a user"))
        self.fields["is_fallback"].initial = self.instance.is_fallback

    def clean_colour(self) -> str:
        colour: str = self.cleaned_data["colour"]
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
            raise forms.ValidationError(
                _("Enter a colour as # and six hexadecimal digits, such as #5b6472.")
            )
        return colour

    def clean_is_fallback(self) -> bool:
        wanted: bool = self.cleaned_data["is_fallback"]
        if wanted and self.instance.archived_at:
            raise forms.ValidationError(_("An archived department cannot be the fallback."))
        others = Department.objects.filter(is_fallback=True).exclude(pk=self.instance.pk)
        if not wanted and not others.exists():
            raise forms.ValidationError(
                _("There must be a fallback department. Set it in another department instead.")
            )
        return wanted

    @transaction.atomic
    def save(self, commit: bool = True) -> Department:
        """Save the department.

        If the user changed `is_restricted`, also update which users may read the department's
        conversations.
        """
        # Clear the old fallback first: a unique constraint allows only one fallback department.
        if self.cleaned_data["is_fallback"]:
            others = Department.objects.exclude(pk=self.instance.pk)
            others.filter(is_fallback=True).update(is_fallback=False)
        self.instance.is_fallback = self.cleaned_data["is_fallback"]
        department: Department = super().save(commit)
        if "is_restricted" in self.changed_data:
            # Do this after saving: restrict() reads the department's new value.
            links = CaseConversation.objects.filter(case__department=department, ended_at=None)
            restrict(Conversation.objects.filter(pk__in=links.values("conversation")))
        return department


class MemberForm(PlainForm):
    user = forms.ModelChoiceField(
        User.objects.active().order_by("name"), label=__("User"), empty_label=__("Choose a user")
    )
    role = forms.ChoiceField(choices=Membership.Role.choices, label=__("Role"))
