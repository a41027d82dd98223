from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import BigIntegerField, ExpressionWrapper, F, Q, Value
from django.utils.functional import cached_property
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.interaction_kinds import WORK_KINDS
from crm.models import Department, Membership, User
from crm.models.contact import MAX_TAG_LENGTH
from listening.models import Source, Topic
from routing.forms.base import PlainForm
from routing.inbox.people import Participant, participant_of
from routing.inbox.query import DUE, LABELS, NOT_CLOSED, SORTS
from routing.models import Issue, SavedView
from routing.models.rule import Priority
from routing.models.status import Status
from scrm.channels import registry
from scrm.web.form_fields import set_choices, set_queryset

_ANY = ("", __("any"))


@dataclass(frozen=True, slots=True)
class Shown:
    """A filter of the inbox, with the data that the page needs to show it.

    options: (value, label) of each choice.
    """

    name: str
    label: str
    options: list[tuple[str, str]]
    field: forms.BoundField

    @property
    def value(self) -> str:
        value = self.field.value()
        return "" if value is None else str(value)

    @property
    def kind(self) -> str:
        return getattr(self.field.field.widget, "input_type", "text")


class InboxForm(PlainForm):
    """The query string of an inbox URL: a view of the inbox, a sort order, and filters."""

    view = forms.ChoiceField(required=False, choices=list(LABELS.items()))
    sort = forms.ChoiceField(required=False, choices=list(SORTS.items()))
    q = forms.CharField(required=False, max_length=200, label=__("Search"))
    department = forms.ModelChoiceField(
        Department.objects.none(), required=False, label=__("Department"), empty_label=__("any")
    )
    status = forms.ChoiceField(
        required=False,
        label=__("Status"),
        choices=[_ANY, (NOT_CLOSED, __("Not closed")), *Status.choices],
    )
    who = forms.ChoiceField(
        required=False,
        label=__("Contact"),
        choices=[_ANY, ("known", __("known contacts")), ("strangers", __("no contact yet"))],
    )
    assignee = forms.ChoiceField(required=False, label=__("Assignee"))
    priority = forms.ChoiceField(
        required=False, label=__("Priority"), choices=[_ANY, *Priority.choices]
    )
    due = forms.ChoiceField(
        required=False,
        label=__("Due"),
        choices=[_ANY, *DUE.items()],
    )
    late = forms.ChoiceField(
        required=False,
        label=__("Received"),
        choices=[_ANY, ("yes", __("late")), ("no", __("on time"))],
    )
    call_back = forms.ChoiceField(
        required=False,
        label=__("Call-back"),
        choices=[_ANY, ("planned", __("planned")), ("due", __("due"))],
    )
    followed = forms.ChoiceField(required=False, label=__("Followed by"))
    participant = forms.CharField(required=False, max_length=60, label=__("Participant"))
    channel = forms.ChoiceField(required=False, label=__("Channel"))
    kind = forms.ChoiceField(required=False, label=__("Message type"))
    topic = forms.ModelChoiceField(
        Topic.objects.all(), required=False, label=__("Topic"), empty_label=__("any")
    )
    tag = forms.CharField(required=False, max_length=MAX_TAG_LENGTH, label=__("Tag"))
    issue = forms.ModelChoiceField(
        Issue.objects.all(), required=False, label=__("Issue"), empty_label=__("any")
    )
    since = forms.DateField(
        required=False,
        label=__("Last message since"),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    until = forms.DateField(
        required=False,
        label=__("Last message until"),
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    FILTERS = (
        "department", "status", "who", "assignee", "priority", "due", "late", "call_back",
        "followed", "participant", "channel", "kind", "topic", "tag", "issue", "since", "until",
    )  # fmt: skip

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        departments = Department.objects.visible_to(user)
        set_queryset(self, "department", departments)
        # Pass a function: then users are loaded only to check an assignee or to show the choices.
        self._choose(
            "assignee", lambda: [_ANY, ("nobody", _("unassigned")), *self._named["assignee"]]
        )
        self._choose("followed", lambda: [_ANY, ("me", _("me")), *self._named["assignee"]])
        self._choose("channel", _channels)
        self._choose("kind", [_ANY, *((kind, look.label) for kind, look in WORK_KINDS.items())])

    def _choose(self, name: str, choices: Any) -> None:
        set_choices(self, name, choices)

    def clean_participant(self) -> Participant | None:
        value: str = self.cleaned_data["participant"]
        return participant_of(value) if value else None

    @property
    def colleagues(self) -> list[tuple[str, str]]:
        """Return (id, name) of each user to whom a case may be assigned."""
        return self._named["colleague"]

    @cached_property
    def _named(self) -> dict[str, list[tuple[str, str]]]:
        """Return a dict from the name of a filter to its options (id, name).

        One SQL query loads the options of all filters.
        """
        departments = Department.objects.visible_to(self.user)
        members = Membership.objects.filter(department__in=departments)
        works = Q(pk__in=members.working().values("user"))
        people = workers = User.objects.active()
        if self.user.sees_everything:
            workers = people.filter(works | Q(role__in=User.SEE_EVERYTHING))
        else:
            people, workers = people.filter(pk__in=members.values("user")), people.filter(works)
        rows = _choices("department", departments, F("position")).union(
            _choices("assignee", people, Value(0)),
            _choices("colleague", workers, Value(0)),
            _choices("topic", Topic.objects.all(), Value(0)),
            _choices("issue", Issue.objects.offered_to(self.user), 0 - F("pk")),
        )
        named: dict[str, list[tuple[str, str]]] = {
            name: [] for name in (*self.FILTERS, "colleague")
        }
        for what, _place, name, pk in sorted(rows):
            named[what].append((str(pk), name))
        return named

    def shown(self) -> list[Shown]:
        """Return the filters with the data that the page needs to show them."""
        # Do not use Django's widgets: to render 200 options, they need half of the page's time.
        return [
            Shown(name, str(self.fields[name].label), self._options(name), self[name])
            for name in self.FILTERS
        ]

    def _options(self, name: str) -> list[tuple[str, str]]:
        if isinstance(self.fields[name], forms.ModelChoiceField):
            chosen = getattr(self, "cleaned_data", {}).get(name)
            named = self._named[name]
            # For example an issue of other departments, to which a case leads.
            if chosen and str(chosen.pk) not in dict(named):
                named = [*named, (str(chosen.pk), str(chosen))]
            return [("", _("any")), *named]
        if name == "participant":
            return self._chosen_participant()
        choices = getattr(self.fields[name], "choices", ())
        return [(value, str(label)) for value, label in choices]

    def _chosen_participant(self) -> list[tuple[str, str]]:
        """Return the options while one person is chosen; without options, words can be typed."""
        found = getattr(self, "cleaned_data", {}).get("participant")
        if found is None or not found.is_one:
            return []
        return [("", _("any")), (str(self["participant"].value()), found.name)]

    @property
    def narrowed(self) -> list[tuple[str, str, str]]:
        """Return the active filters, each as (field name, label, value in words)."""
        data = getattr(self, "cleaned_data", {})
        return [
            (name, str(self.fields[name].label), self._value_label(name, data[name]))
            for name in self.FILTERS
            if data.get(name)
        ]

    @property
    def left_out(self) -> list[str]:
        """Return a sentence for each value of the URL that its filter does not accept."""
        left_out = _("The filter was left out.")
        return [
            f"{self[name].label}: {self._why_refused(name, errors[0])} {left_out}"
            for name, errors in self.errors.as_data().items()
        ]

    def _why_refused(self, name: str, error: forms.ValidationError) -> str:
        value = Truncator(self[name].value()).chars(40)
        if error.code == "invalid_choice":
            return _("“%s” is not a choice.") % value
        if isinstance(self.fields[name], forms.DateField):
            return _("“%s” is not a date.") % value
        return " ".join(error.messages)

    def _value_label(self, name: str, value: Any) -> str:
        choices = dict(getattr(self.fields[name], "choices", ())) if isinstance(value, str) else {}
        return str(choices.get(value, value))


def _channels() -> list[tuple[str, Any]]:
    """Return the channels that can be chosen; those of the sandbox only if a source uses them."""
    simulated = Source.objects.filter(kind__startswith=registry.SANDBOX).order_by("kind")
    real = [kind for kind in registry.kinds() if not kind.startswith(registry.SANDBOX)]
    kinds = [*real, *simulated.values_list("kind", flat=True).distinct()]
    return [_ANY, *((kind, registry.label(kind)) for kind in kinds)]


def _choices(what: str, rows: Any, place: Any) -> Any:
    """Return a query for the options of one filter.

    Its rows are (what, place, name, pk). The caller sorts them by `place` and then by `name`.

    what: the name of the filter.
    rows: a queryset of the objects that can be chosen.
    place: an expression for the sort position of an object.
    """
    placed = rows.order_by().annotate(
        what=Value(what), place=ExpressionWrapper(place, BigIntegerField())
    )
    return placed.values_list("what", "place", "name", "pk")


class SaveViewForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = SavedView
        fields = ["name", "is_shared"]
        labels = {"name": __("View name"), "is_shared": __("Shared with everyone")}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if SavedView.objects.filter(owner=self.instance.owner_id, name=name).exists():
            raise forms.ValidationError(_("You already have a view with this name."))
        return name
