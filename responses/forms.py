from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from crm.models import Account, User
from responses.compose import (
    Place,
    Words,
    max_length,
    places_for,
    speaking_accounts,
    titled,
    visibilities,
)
from responses.models import Decision, Feedback, Response, ResponseRule, SavedReply
from responses.models.response import State
from responses.saved import VARIABLES, unknown_variables
from routing.models import Case, Department, Issue
from scrm.numbers import number

PUBLIC, PRIVATE = "public", "private"


class Composing(forms.Form):
    """What every form of the composer carries: its UUID, and what its page showed."""

    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def words(self, *, visibility: str) -> Words:
        typed = self.cleaned_data
        return Words(
            form=typed["form"],
            text=typed["text"],
            visibility=visibility,
            subject=typed.get("subject", ""),
            seen=typed["seen"],
        )

    def look_again(self, seen: int | None) -> None:
        """Show what was typed beside what is new, so that the next press counts."""
        data = cast(QueryDict, self.data).copy()
        data["seen"] = str(seen or "")
        data["form"] = str(uuid.uuid4())  # nothing was stored: the next press is a first one
        self.data = data

    def check_length(self, accounts: Iterable[Account]) -> None:
        text = self.cleaned_data.get("text", "")
        for account in accounts:
            limit = max_length(account)
            if limit and len(text) > limit:
                says = _("%(n)d characters are too many: %(account)s takes %(limit)d at most.")
                values = {"n": len(text), "account": account, "limit": limit}
                self.add_error("text", says % values)


class ReplyForm(Composing):
    place = forms.ChoiceField(label=_("Where"), widget=forms.RadioSelect)
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 6}))

    def __init__(self, case: Case, data: Any = None) -> None:
        super().__init__(data, initial={"seen": case.last_inbound_id})
        self.places = {place_name(place): place for place in places_for(case)}
        field: Any = self.fields["place"]
        field.choices = [(name, _said(place)) for name, place in self.places.items()]
        self.initial["place"] = next(
            (name for name, place in self.places.items() if place.profile == case.profile),
            next(iter(self.places), None),
        )

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("place")
        if name:
            self.check_length([self.places[name].account])
        return self.cleaned_data

    @property
    def chosen(self) -> Place:
        return self.places[self.cleaned_data["place"]]


@dataclass(frozen=True, slots=True)
class Preview:
    """How a text will look in one place. limit: characters that it takes, None for no end."""

    account: Account
    title: str
    text: str
    limit: int | None

    @property
    def length(self) -> int:
        return len(self.text)

    @property
    def colour(self) -> int:
        return self.account.pk % 8

    @property
    def over(self) -> int:
        return max(self.length - self.limit, 0) if self.limit else 0


class StatementChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Response) -> str:
        words = Truncator(obj.subject or obj.text).chars(60)
        return f"{timezone.localtime(obj.created_at):%Y-%m-%d} · {words}"


class StatementForm(Composing):
    accounts = forms.ModelMultipleChoiceField(
        Account.objects.none(),
        label=_("Where it appears"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose where it should appear.")},
    )
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 8}))
    corrects = StatementChoice(
        Response.objects.none(),
        label=_("Corrects"),
        required=False,
        empty_label=_("nothing: it is new"),
    )

    def __init__(
        self, department: Department, issue: Issue | None, seen: int | None, data: Any = None
    ) -> None:
        super().__init__(data, initial={"seen": seen})
        self.department = department
        public = [a.pk for a in speaking_accounts(department) if PUBLIC in visibilities(a)]
        accounts, corrects = self.fields["accounts"], self.fields["corrects"]
        assert isinstance(accounts, forms.ModelMultipleChoiceField)
        assert isinstance(corrects, forms.ModelChoiceField)
        self.places = Account.objects.filter(pk__in=public).order_by("name")
        accounts.queryset = self.places
        corrects.queryset = Response.objects.filter(
            issue=issue, audience="many", state="released", issue__isnull=False
        ).order_by("-pk")
        self.has_accounts = bool(public)
        if not corrects.queryset.exists():
            del self.fields["corrects"]

    def clean(self) -> dict[str, Any]:
        self.check_length(self.cleaned_data.get("accounts", ()))
        return self.cleaned_data

    @property
    def previews(self) -> list[Preview]:
        """Each place that is chosen, with what was typed so far, sound or not."""
        chosen = {number(str(each)) for each in self["accounts"].value() or ()}
        title, text = str(self["subject"].value() or ""), str(self["text"].value() or "")
        return [
            Preview(each, title if titled(each) else "", text, max_length(each))
            for each in self.places
            if each.pk in chosen
        ]


class ByHandForm(Composing):
    WAYS = {
        "call": _("Telephone call"),
        "letter": _("Letter"),
        "in person": _("In person"),
        "mail": _("Mail from my own program"),
    }
    how = forms.ChoiceField(label=_("How"), choices=list(WAYS.items()))
    text = forms.CharField(label=_("What was said"), widget=forms.Textarea(attrs={"rows": 6}))

    def __init__(self, case: Case, data: Any = None) -> None:
        super().__init__(data, initial={"seen": case.last_inbound_id})

    def words(self, *, visibility: str) -> Words:
        typed = self.cleaned_data
        how = str(self.WAYS[typed["how"]])
        return Words(typed["form"], typed["text"], visibility, subject=how, seen=typed["seen"])


class NoteForm(Composing):
    """What colleagues should know. It never leaves the house."""

    text = forms.CharField(
        max_length=10_000,
        label=_("Note, stays inside"),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("Write something, or leave the note out.")},
    )


class NothingForm(Composing):
    why = forms.CharField(label=_("Why there is no response"), max_length=500)

    def __init__(self, case: Case, user: User, data: Any = None) -> None:
        super().__init__(data, initial={"seen": case.last_inbound_id})
        last = Decision.objects.filter(by=user, outcome=Decision.Outcome.NONE).order_by("-pk")
        self.initial["why"] = last.values_list("why", flat=True).first() or ""


class EditForm(forms.Form):
    """shown: the hash of what was on the page; seen: the last inbound that it knew of."""

    shown = forms.CharField(widget=forms.HiddenInput)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 10}))

    def __init__(self, response: Response, data: Any = None) -> None:
        self.response = response
        super().__init__(
            data,
            initial={
                "shown": response.content_hash,
                "seen": response.case.last_inbound_id if response.case else None,
                "subject": response.subject,
                "text": response.text,
            },
        )

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        for delivery in self.response.deliveries.select_related("account"):
            limit = max_length(delivery.account)
            if limit and len(text) > limit:
                raise forms.ValidationError(
                    _("%(n)d characters are too many: %(account)s takes %(limit)d at most."),
                    params={"n": len(text), "account": delivery.account, "limit": limit},
                )
        return text

    def look_again(self) -> None:
        """Sign what is there now, with what was typed kept."""
        case, data = self.response.case, cast(QueryDict, self.data).copy()
        data["shown"] = self.response.content_hash
        data["seen"] = str(case.last_inbound_id or "") if case else ""
        self.data = data


class SendBackForm(forms.Form):
    reason = forms.CharField(
        label=_("What should change"), widget=forms.Textarea(attrs={"rows": 2})
    )


class MarkSentForm(forms.Form):
    url = forms.URLField(
        label=_("Its address, if it has one"),
        max_length=2000,
        required=False,
        assume_scheme="https",
    )
    key = forms.CharField(label=_("Its id there, if you know it"), max_length=400, required=False)


class JudgeForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Feedback
        fields = ["outcome"]


class HistoryForm(forms.Form):
    """The filters of the history, as they stand in its address."""

    MICRO = "micro"
    q = forms.CharField(
        label=_("Words"), required=False, widget=forms.TextInput(attrs={"type": "search"})
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
        Issue.objects.all(), label=_("Issue"), required=False, empty_label=_("any")
    )
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        state, audience = self.fields["state"], self.fields["audience"]
        assert isinstance(state, forms.ChoiceField)
        assert isinstance(audience, forms.ChoiceField)
        state.choices = [("", _("any")), *State.choices]
        micro = (self.MICRO, _("One or a few (micro)"))
        audience.choices = [("", _("any")), micro, *Response.Audience.choices]

    @property
    def narrowed(self) -> bool:
        """Whether any filter is in force, sound or not."""
        return any(self.data.get(name) for name in self.fields)


class SavedReplyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = SavedReply
        fields = ["name", "text", "department", "owner", "is_active"]
        labels = {"department": _("Whose it is"), "is_active": _("In use")}
        help_texts = {"text": _("Variables: %s.") % ", ".join(f"{{{{ {v} }}}}" for v in VARIABLES)}

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner, department = self.fields["owner"], self.fields["department"]
        assert isinstance(owner, forms.ModelChoiceField)
        assert isinstance(department, forms.ModelChoiceField)
        owner.queryset = User.objects.active().order_by("name")
        department.queryset = Department.objects.visible_to(user)
        department.empty_label = _("everybody's")

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        if odd := unknown_variables(text):
            raise forms.ValidationError(
                _("There is no variable {{ %(name)s }}. Nothing was saved."),
                params={"name": odd[0]},
            )
        return text


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = ResponseRule
        fields = ["name", "verdict", "reason", "move_to", "position", "is_active", "owner"]
        labels = {"is_active": _("In force")}

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        if typed.get("verdict") == ResponseRule.Verdict.MOVE and not typed.get("move_to"):
            self.add_error("move_to", _("Say which way it should go instead."))
        return typed


def place_name(place: Place) -> str:
    profile = place.profile.pk if place.profile else ""
    return f"{place.account.pk}:{profile}:{place.visibility}"


def _said(place: Place) -> str:
    """The verb of a place in words: what will happen, from where, to whom."""
    profile = place.profile
    whom = (profile.handle or str(profile)) if profile else ""
    if place.visibility == PUBLIC:
        words = _("Reply publicly as %(account)s to %(whom)s")
    elif place.conversation:
        words = _("Reply privately as %(account)s to %(whom)s")
    else:
        words = _("Message privately as %(account)s to %(whom)s")
    return words % {"account": place.account, "whom": whom}
