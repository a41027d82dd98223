from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.forms.reassign import PersonChoice, with_absence
from crm.ledger import tellable
from crm.models import Department, Membership, Profile, User, Workspace
from routing.call_back import open_call_back
from routing.forms.base import PlainForm, TagsField
from routing.models import Case, Issue
from routing.models.rule import Priority
from scrm.text.phone import MAX_TYPED, NotAPhoneNumber, e164, international
from scrm.web.form_fields import set_choices, set_queryset


class CaseVerbForm(PlainForm):
    """The input of an action on a case.

    This base class has no fields. Actions that need no input use it directly.

    user: who runs the action.
    body: the template that shows the fields.
    """

    body = "_form.html"

    def __init__(self, *args: Any, case: Case, user: User, **kwargs: Any) -> None:
        self.case, self.user = case, user
        super().__init__(*args, initial=self.current(), **kwargs)

    @property
    def asks(self) -> bool:
        """Return whether the form has visible fields. If not, the page shows only a button."""
        return bool(self.visible_fields())

    def current(self) -> dict[str, Any]:
        """Return the initial values of the form, taken from the present values of the case."""
        return {}


class ReasonForm(CaseVerbForm):
    why = forms.CharField(required=False, max_length=500, label=__("Reason (optional)"))


class UnaskedReasonForm(CaseVerbForm):
    """A hidden, optional reason. A sensitive case needs one, so that no single key closes it.

    For all other cases, the page shows only a button and sends no reason. Bulk actions, which leave
    sensitive cases out, set the reason.
    """

    why = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.case.sensitive and not self.case.is_closed:
            self.fields["why"] = forms.CharField(
                max_length=500,
                label=_("Reason"),
                error_messages={"required": _("This case is sensitive. Enter a reason.")},
            )


class TransferForm(CaseVerbForm):
    """The department to transfer a case to, and optionally the new assignee there.

    The case's own department cannot be chosen. `AssignForm` assigns a case within its department.
    The assignees are grouped by department; dependent_select.js shows those of the chosen one.
    """

    department = forms.ModelChoiceField(
        Department.objects.none(), label=__("Department"), empty_label=__("choose a department")
    )
    person = PersonChoice(
        User.objects.none(),
        required=False,
        label=__("Assignee"),
        widget=forms.Select(attrs={"data-depends-on": "department"}),
    )
    why = forms.CharField(
        max_length=500,
        label=__("Reason"),
        error_messages={"required": __("Give a reason for the new department.")},
    )

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, case=case, **kwargs)
        others = Department.objects.current().exclude(pk=case.department_id)
        set_queryset(self, "department", others)
        working = Membership.objects.working().filter(department__in=others)
        people = User.objects.filter(pk__in=working.values("user")).order_by("name")
        set_queryset(self, "person", people)
        by_department: dict[str, list[tuple[int, str]]] = {}
        rows = working.select_related("department", "user").order_by(
            "department__name", "user__name"
        )
        for row in rows:
            by_department.setdefault(str(row.department), []).append(
                (row.user_id, with_absence(row.user))
            )
        set_choices(self, "person", [("", _("Unassigned")), *by_department.items()])

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        person, department = data.get("person"), data.get("department")
        if person and department and not department.has_worker(person):
            self.add_error(
                "person",
                _("%(person)s does not work in %(department)s.")
                % {"person": person, "department": department},
            )
        return data


class SnoozeForm(CaseVerbForm):
    """The end of a snooze: a preset or an exact time. If both are given, the exact time is used.

    The result is `cleaned_data["until"]`, an aware time in the future. If it is None, the case is
    snoozed until the next message.
    """

    PRESETS = [
        ("hour", __("In an hour")),
        ("afternoon", __("In four hours")),
        ("tomorrow", __("Tomorrow at 9:00")),
        ("monday", __("On Monday at 9:00")),
        ("reply", __("Until the next message")),
        ("", __("At a date and time")),
    ]
    preset = forms.ChoiceField(
        choices=PRESETS, required=False, label=__("Until"), initial="tomorrow"
    )
    until = forms.DateTimeField(
        required=False,
        label=__("Exact time"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        now = timezone.localtime()
        if "until" in self.errors:
            return data
        if data.get("preset") == "reply" and data.get("until") is None:
            return data
        if data.get("preset") and data.get("until") is None:
            data["until"] = _preset(data["preset"], now)
        # Refuse dates such as 9999-12-31: in some time zones they would be out of range.
        data["until"] = tellable(data.get("until"))
        if data["until"] is None:
            self.add_error("until", _("Choose how long to snooze."))
        elif data["until"] <= now:
            self.add_error("until", _("This time is in the past. Choose a later time."))
        return data


def _preset(name: str, now: datetime) -> datetime:
    """Return the time at which a preset of `SnoozeForm` ends.

    now: the current time in the workspace's time zone.
    """
    if name in {"hour", "afternoon"}:
        # In UTC: adding to a local time counts hours of the clock on the wall, and at the change to
        # winter time one of them lasts two hours.
        return now.astimezone(UTC) + timedelta(hours=1 if name == "hour" else 4)
    days = 1 if name == "tomorrow" else 7 - now.weekday()
    morning = datetime.combine(now.date() + timedelta(days=days), time(9))
    return timezone.make_aware(morning)


class AssignForm(CaseVerbForm):
    """The new assignee; empty means unassigned.

    Only users who may work on the case can be chosen.
    """

    person = PersonChoice(
        User.objects.none(),
        required=False,
        label=__("Assignee"),
        empty_label=__("Unassigned"),
        error_messages={
            "invalid_choice": __("This user is not active, or does not work in this department.")
        },
    )

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, case=case, **kwargs)
        working = Membership.objects.working().filter(department=case.department_id)
        may = Q(pk__in=working.values("user")) | Q(role__in=User.SEE_EVERYTHING)
        people = User.objects.active().filter(may).order_by("name")
        set_queryset(self, "person", people)

    def current(self) -> dict[str, Any]:
        return {"person": self.case.assignee_id}


class CallBackForm(SnoozeForm, AssignForm):
    """The number to call back, the time, and the colleague who calls.

    The same form reschedules a call-back.
    """

    PRESETS = [pair for pair in SnoozeForm.PRESETS if pair[0] != "reply"]
    number = forms.CharField(
        max_length=MAX_TYPED,
        label=__("Phone number"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
        error_messages={"required": __("Enter the number to call back.")},
    )
    preset = forms.ChoiceField(choices=PRESETS, required=False, label=__("When"), initial="hour")
    field_order = ("number", "preset", "until", "person")

    def current(self) -> dict[str, Any]:
        planned = open_call_back(self.case)
        phones = Profile.objects.filter(network="phone")
        contact = self.case.profile.contact
        phones = phones.of_contact(contact) if contact else phones.filter(pk=self.case.profile_id)
        number = planned.number if planned else phones.values_list("key", flat=True).first()
        return super().current() | {"number": international(number or ""), "preset": "hour"}

    def clean_number(self) -> str:
        try:
            return e164(self.cleaned_data["number"], Workspace.objects.country())
        except NotAPhoneNumber as error:
            raise forms.ValidationError(str(error)) from None


class TagsForm(CaseVerbForm):
    """The tags of a case, separated by commas.

    was: the tags that the page showed before the user edited them. Only the differences between
      `was` and `tags` are applied. So a tag that a colleague added meanwhile is kept.
    """

    tags = TagsField(
        widget=forms.TextInput(attrs={"list": "known-tags", "autocomplete": "off"}),
    )
    was = forms.CharField(required=False, widget=forms.HiddenInput)

    def current(self) -> dict[str, Any]:
        return {"tags": ", ".join(self.case.tags), "was": ",".join(self.case.tags)}

    def clean_was(self) -> list[str]:
        return [tag for tag in self.cleaned_data["was"].split(",") if tag]


class PriorityForm(CaseVerbForm):
    priority = forms.ChoiceField(choices=Priority.choices, label=__("Priority"))

    def current(self) -> dict[str, Any]:
        return {"priority": self.case.priority}


class GroupForm(CaseVerbForm):
    """The issue of the case. Besides the present one, only issues for the user are offered."""

    issue = forms.ModelChoiceField(
        Issue.objects.none(), required=False, label=__("Issue"), empty_label=__("None")
    )

    def __init__(self, *args: Any, case: Case, user: User, **kwargs: Any) -> None:
        super().__init__(*args, case=case, user=user, **kwargs)
        offered = Issue.objects.offered_to(user).filter(closed_at=None)
        set_queryset(self, "issue", offered | Issue.objects.filter(pk=case.issue_id or 0))

    def current(self) -> dict[str, Any]:
        return {"issue": self.case.issue_id}
