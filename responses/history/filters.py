"""The filters of the response history. They are stored in the URL."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from crm.models import Department, Interaction, User
from crm.search import matching
from responses.models import Campaign, Feedback, HistoryView, Response
from responses.models.response import ResponseQuerySet, State
from responses.models.response_search import RESPONSE_WORDS
from responses.results.answer_counts import (
    ASKED,
    JUDGED,
    NOT_JUDGED,
    PROPOSED,
    SILENT,
    outcome_is,
    silent,
)
from routing.models import Issue
from scrm.web.form_fields import set_queryset
from scrm.web.params import midnight, number, place

MICRO, ANSWERED, NOT_CANCELLED = "micro", "answered", "not-cancelled"
_LABELS = dict(Feedback.Outcome.choices)
OUTCOMES = [
    ("", _("any")),
    (ANSWERED, _("Answered")),
    *((outcome, _LABELS[outcome]) for outcome in JUDGED),
    *((f"{PROPOSED}{outcome}", f"{_LABELS[outcome]}? (proposed)") for outcome in JUDGED),
    (NOT_JUDGED, _("Not judged yet")),
    (SILENT, _("No answer in 7 days")),
]


class HistoryForm(forms.Form):
    q = forms.CharField(
        label=_("Text"), required=False, widget=forms.TextInput(attrs={"type": "search"})
    )
    state = forms.ChoiceField(label=_("State"), required=False)
    audience = forms.ChoiceField(label=_("Audience"), required=False)
    department = forms.ModelChoiceField(
        Department.objects.all(), label=_("Department"), required=False, empty_label=_("any")
    )
    author = forms.ModelChoiceField(
        User.objects.order_by("name"), label=_("Author"), required=False, empty_label=_("any")
    )
    issue = forms.ModelChoiceField(
        Issue.objects.none(), label=_("Issue"), required=False, empty_label=_("any")
    )
    campaign = forms.ModelChoiceField(
        Campaign.objects.none(), label=_("Campaign"), required=False, empty_label=_("any")
    )
    outcome = forms.ChoiceField(label=_("Feedback"), required=False, choices=OUTCOMES)
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        state, audience = self.fields["state"], self.fields["audience"]
        campaign = self.fields["campaign"]
        assert isinstance(state, forms.ChoiceField)
        assert isinstance(audience, forms.ChoiceField)
        assert isinstance(campaign, forms.ModelChoiceField)
        state.choices = [("", _("any")), (NOT_CANCELLED, _("All except cancelled")), *State.choices]
        micro = (MICRO, _("One or a few (micro)"))
        audience.choices = [("", _("any")), micro, *Response.Audience.choices]
        campaign.queryset = Campaign.objects.visible_to(user)
        set_queryset(self, "issue", _offered_issues(user, named=number(self.data.get("issue", ""))))

    @property
    def narrowed(self) -> bool:
        """Whether the URL has any filter, even an invalid one."""
        return any(self.data.get(name) for name in self.fields)

    @property
    def found(self) -> ResponseQuerySet:
        """The responses that match the filters and that the user may see, newest first.

        Invalid filters are ignored.
        """
        self.is_valid()
        visible = Response.objects.visible_to(self.user)
        return _filtered(visible, self.cleaned_data, self.user).order_by("-created_at", "-pk")


def _offered_issues(user: User, *, named: int | None) -> QuerySet[Issue]:
    """Return the issues that are offered to the user, and the one that the URL names."""
    offered = Issue.objects.offered_to(user).values("pk")
    return Issue.objects.filter(Q(pk__in=offered) | Q(pk=named))


class HistoryViewForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = HistoryView
        fields = ["name", "is_shared"]
        labels = {"name": _("View name"), "is_shared": _("Shared with everyone")}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if HistoryView.objects.filter(owner=self.instance.owner_id, name=name).exists():
            raise forms.ValidationError(_("You already have a view with this name."))
        return name


def query_of(address: QueryDict) -> str:
    """Return the query string of the filters, without pagination. Saved views store this string."""
    query = QueryDict(mutable=True)
    for name in HistoryForm.base_fields:
        if typed := address.get(name):
            query[name] = typed
    return query.urlencode()


def before(found: ResponseQuerySet, mark: str) -> ResponseQuerySet:
    """Return the responses that follow the row `mark`. The newest response is the first row.

    `mark` identifies the last row of the previous page; it is a result of `mark_of`. If `mark` is
    invalid, all responses are returned.
    """
    last = place(mark)
    if last is None:
        return found
    # Pages start at a row and not at an offset, so that a new response does not shift them.
    when, pk = last
    return found.filter(created_at__lte=when).exclude(created_at=when, pk__gte=pk)


def mark_of(last: Response) -> str:
    """Return a string that identifies the last row of a page, for the URL of the next page."""
    return f"{last.created_at.isoformat()},{last.pk}"


def with_facts(found: ResponseQuerySet) -> ResponseQuerySet:
    """Load everything that the page shows for each row, with a fixed number of queries."""
    return found.select_related(
        "case__profile", "issue", "department", "author", "campaign_link__campaign", "corrects"
    ).prefetch_related(
        "deliveries__account", "deliveries__profile", "attachments", "approvals__by",
        "corrects__deliveries",
    )  # fmt: skip


def _filtered(found: ResponseQuerySet, typed: dict[str, Any], user: User) -> ResponseQuerySet:
    if typed.get("issue"):
        found = found.about(typed["issue"])
    if typed.get("campaign"):
        found = found.filter(campaign_link__campaign=typed["campaign"])
    for name in ("state", "audience", "department", "author"):
        if typed.get(name) == NOT_CANCELLED:
            found = found.not_cancelled()
        elif typed.get(name) == MICRO:
            found = found.exclude(audience="many")
        elif typed.get(name):
            found = found.filter(**{name: typed[name]})
    return _with_date_and_text(_with_outcome(found, typed.get("outcome", ""), user), typed)


def _with_outcome(found: ResponseQuerySet, outcome: str, user: User) -> ResponseQuerySet:
    """Return the responses that have an answer with this outcome.

    Answers that the user may not read are ignored. They are also left out of the outcomes that the
    page counts for each response. For ANSWERED, any answer is sufficient. For SILENT, the
    responses that were not answered in time are returned. For other values, all responses are
    returned.
    """
    if outcome == SILENT:
        return silent(found)
    if outcome not in {ANSWERED, *ASKED}:
        return found
    answers = Feedback.objects.filter(response=OuterRef("pk"))
    if outcome in ASKED:
        answers = answers.filter(outcome_is(outcome))
    # The filter must not reveal the outcomes of answers that the user may not read.
    readable = Interaction.objects.readable_by(user).filter(pk=OuterRef("interaction"))
    return found.filter(Exists(answers.filter(Exists(readable))))


def _with_date_and_text(found: ResponseQuerySet, typed: dict[str, Any]) -> ResponseQuerySet:
    if typed.get("since"):
        found = found.filter(created_at__gte=midnight(typed["since"]))
    if typed.get("until"):
        found = found.filter(created_at__lt=midnight(typed["until"], days=1))
    if typed.get("q"):
        found = matching(found, RESPONSE_WORDS, typed["q"])
    return found
