from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import User
from listening.models import Topic
from routing.forms.base import PlainForm
from routing.forms.offline import OFFLINE_KINDS
from routing.lists import LABELS, NOT_CLOSED, SORTS
from routing.models import Department, Issue, SavedView
from routing.models.rule import Priority
from routing.models.status import Status
from scrm.channels.registry import kinds

_ANY = ("", __("any"))


class InboxForm(PlainForm):
    """The inbox as its address asks for it: a view, an order, filters."""

    view = forms.ChoiceField(required=False, choices=list(LABELS.items()))
    sort = forms.ChoiceField(required=False, choices=list(SORTS.items()))
    q = forms.CharField(required=False, max_length=200, label=__("Search"))
    department = forms.ModelChoiceField(
        Department.objects.none(), required=False, label=__("Department"), empty_label=__("any")
    )
    status = forms.ChoiceField(
        required=False,
        label=__("Status"),
        choices=[_ANY, (NOT_CLOSED, __("not closed")), *Status.choices],
    )
    who = forms.ChoiceField(
        required=False,
        label=__("Who"),
        choices=[_ANY, ("known", __("known contacts")), ("strangers", __("strangers"))],
    )
    assignee = forms.ChoiceField(required=False, label=__("Assignee"))
    priority = forms.ChoiceField(
        required=False, label=__("Priority"), choices=[_ANY, *Priority.choices]
    )
    due = forms.ChoiceField(
        required=False,
        label=__("Answer due"),
        choices=[_ANY, ("over", __("overdue")), ("soon", __("within an hour"))],
    )
    channel = forms.ChoiceField(required=False, label=__("Channel"))
    kind = forms.ChoiceField(required=False, label=__("Kind"))
    topic = forms.ModelChoiceField(
        Topic.objects.all(), required=False, label=__("Topic"), empty_label=__("any")
    )
    tag = forms.CharField(required=False, max_length=60, label=__("Tag"))
    issue = forms.ModelChoiceField(
        Issue.objects.all(), required=False, label=__("Issue"), empty_label=__("any")
    )
    since = forms.DateField(
        required=False, label=__("Wrote since"), widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        required=False, label=__("Wrote until"), widget=forms.DateInput(attrs={"type": "date"})
    )

    FILTERS = (
        "department", "status", "who", "assignee", "priority", "due", "channel", "kind", "topic",
        "tag", "issue", "since", "until",
    )  # fmt: skip

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        departments = Department.objects.visible_to(user)
        self.fields["department"].queryset = departments  # type: ignore[attr-defined]
        people = User.objects.active()
        if not user.sees_everything:
            people = people.filter(memberships__department__in=departments)
        names = people.distinct().order_by("name").values_list("pk", "name")
        self._choose(
            "assignee", [("nobody", __("nobody")), *((str(pk), name) for pk, name in names)]
        )
        self._choose("channel", [(kind, kind) for kind in kinds()])
        online = [("post", __("Post")), ("comment", __("Comment")), ("message", __("Message"))]
        self._choose("kind", [*online, *OFFLINE_KINDS])

    def _choose(self, name: str, choices: list[Any]) -> None:
        self.fields[name].choices = [_ANY, *choices]  # type: ignore[attr-defined]

    @property
    def narrowed(self) -> list[tuple[str, str, str]]:
        """Filters in force: field, label, value in words."""
        data = getattr(self, "cleaned_data", {})
        return [
            (name, str(self.fields[name].label), self._said(name, data[name]))
            for name in self.FILTERS
            if data.get(name)
        ]

    def _said(self, name: str, value: Any) -> str:
        choices = dict(getattr(self.fields[name], "choices", ())) if isinstance(value, str) else {}
        return str(choices.get(value, value))


class SaveViewForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = SavedView
        fields = ["name", "is_shared"]
        labels = {"name": __("Name of this view"), "is_shared": __("Everybody sees it")}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if SavedView.objects.filter(owner=self.instance.owner_id, name=name).exists():
            raise forms.ValidationError(_("You have a view of this name already."))
        return name
