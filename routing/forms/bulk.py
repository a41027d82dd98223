"""Forms of the bulk bar, the bar of actions for several selected cases in the inbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import User
from routing.forms.case import SnoozeForm
from routing.models import Issue
from routing.models.issue import IssueQuerySet
from scrm.web.form_fields import set_choices


class BulkForm(forms.Form):
    """The fields of one action in the bulk bar.

    This base class has no fields. Actions that need no input use it directly.

    by: the user who runs the action.
    colleagues: (id, name) of each user who can be chosen as assignee.
    """

    # The bar is one HTML form: an empty field of one action must not block the other actions.
    use_required_attribute = False

    def __init__(
        self, data: Any = None, *, by: User, colleagues: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(data, auto_id="bulk-%s", label_suffix="")
        self.by = by
        self.offer(colleagues)

    def offer(self, colleagues: Iterable[tuple[str, str]]) -> None:
        """Offer these users as choices. Forms with a field for a user override this method."""

    def values(self) -> dict[str, Any]:
        """Return the values that are submitted to the action's form for one case.

        The values must be serializable as JSON.
        """
        return {}


class BulkAssignForm(BulkForm):
    person = forms.ModelChoiceField(
        User.objects.active(),
        required=False,
        label=__("Assign to"),
        error_messages={
            "invalid_choice": __("This user is no longer active. Nothing was changed.")
        },
    )

    def offer(self, colleagues: Iterable[tuple[str, str]]) -> None:
        set_choices(self, "person", [("", _("unassigned")), *colleagues])

    def values(self) -> dict[str, Any]:
        person = self.cleaned_data["person"]
        return {"person": person and person.pk}


class BulkSnoozeForm(BulkForm):
    """Until when the cases are snoozed: the presets of the form for one case."""

    preset = forms.ChoiceField(
        choices=[pair for pair in SnoozeForm.PRESETS if pair[0]],
        initial="tomorrow",
        label=__("Snooze"),
        error_messages={"required": __("Choose how long to snooze.")},
    )

    def values(self) -> dict[str, Any]:
        return {"preset": self.cleaned_data["preset"]}


class BulkTagForm(BulkForm):
    tag = forms.CharField(
        max_length=60,
        label=__("Tag"),
        error_messages={"required": __("Enter the tag to add.")},
        widget=forms.TextInput(attrs={"list": "known-tags", "autocomplete": "off"}),
    )

    def values(self) -> dict[str, Any]:
        return {"tags": self.cleaned_data["tag"]}


class BulkGroupForm(BulkForm):
    issue = forms.CharField(
        max_length=200,
        label=__("Issue"),
        error_messages={"required": __("Enter an open issue or a new name.")},
        widget=forms.TextInput(
            attrs={
                "list": "open-issues",
                "autocomplete": "off",
                "placeholder": __("Name of an open or new issue"),
            }
        ),
    )

    def clean_issue(self) -> str:
        """Return the name. An open issue of other departments with this name is an error."""
        name = " ".join(self.cleaned_data["issue"].split())
        if self._open(name).exists() and not self._open(name).offered_to(self.by).exists():
            raise forms.ValidationError(
                _("“%s” is an issue of other departments. Enter another name.") % name
            )
        return name

    def values(self) -> dict[str, Any]:
        """Return the id of the open issue with the typed name. If there is none, create one."""
        name = self.cleaned_data["issue"]
        existing = self._open(name).offered_to(self.by).first()
        issue = existing or Issue.objects.create(name=name, owner=self.by)
        return {"issue": issue.pk}

    @staticmethod
    def _open(name: str) -> IssueQuerySet:
        return Issue.objects.filter(name__iexact=name, closed_at=None)
