from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from crm.models import Account, Department, User
from responses.compose import Place, Words, places_for
from responses.forms.acknowledge import AcknowledgeFields
from responses.forms.attached_files import FileFields
from responses.forms.campaign import CampaignField
from responses.forms.copies import CopyFields
from responses.forms.places import PlaceFields, is_public
from responses.forms.serves import ServeFields
from responses.models import Response
from responses.speaking_accounts import public_accounts, titled
from responses.text_limits import Measure, measure, rules_of, thread_of
from routing.models import Case, Decision, Issue
from scrm.web.params import number

FARTHEST = timedelta(days=366)


class Composing(forms.Form):
    """Base class of the forms in the composer.

    `form` is the UUID of the form, so that a double click creates only one response. `seen` is the
    id of the last inbound interaction that the page showed. `shown` is the `shown_case.marker` of
    the case.
    """

    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    shown = forms.CharField(widget=forms.HiddenInput, required=False, max_length=50)

    def words(self, *, visibility: str) -> Words:
        typed = self.cleaned_data
        return Words(
            form=typed["form"],
            text=typed["text"],
            visibility=visibility,
            subject=typed.get("subject", ""),
            seen=typed["seen"],
            shown=typed["shown"],
            versions=typed.get("versions", {}),
            send_at=typed.get("send_at"),
            as_thread=typed.get("as_thread", False),
            copies=typed.get("also_to", ()),
        )

    def resume(self, fields: dict[str, Any], text: str) -> None:
        """Fill the form with a draft."""
        self.initial = {**self.initial, **fields, "text": text}

    def look_again(self, seen: int | None, shown: str = "") -> None:
        """Prepare the form to be shown again below the new messages. The user's input is kept.

        When the user submits the form again, the new messages and the new state count as seen.
        """
        data = cast(QueryDict, self.data).copy()
        data["seen"] = str(seen or "")
        data["shown"] = shown
        data["form"] = str(uuid.uuid4())  # nothing was stored: the next click creates a response
        self.data = data

    def check_length(self, places: Iterable[Place]) -> None:
        """Add a form error for each place for which the text is too long.

        The text of an account is its own version, or else the common text.
        """
        versions = self.cleaned_data.get("versions", {})
        for place in places:
            account = place.account
            text = versions.get(account.pk, self.cleaned_data.get("text", ""))
            as_thread = self.cleaned_data.get("as_thread", False)
            measured = measure(place.outgoing(text), account)
            if why := measured.why_not(as_thread=as_thread):
                own = account.pk in versions
                self.add_error(version_name(account) if own else "text", why)


class Later(forms.Form):
    """A form field for the time of sending. If it is empty, no time is planned."""

    send_at = forms.DateTimeField(
        label=_("Send at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )

    def clean_send_at(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["send_at"]
        now = timezone.now()
        if moment and moment <= now:
            raise forms.ValidationError(_("This time is in the past. Leave it empty to send now."))
        if moment and moment > now + FARTHEST:
            raise forms.ValidationError(_("Schedule at most one year ahead."))
        return moment


class ThreadField(forms.Form):
    """A form field that allows a text to be sent as a thread of several posts."""

    as_thread = forms.BooleanField(
        label=_("If the text is too long for one post, send it as a thread"), required=False
    )

    def offer_thread(self, accounts: Iterable[Account]) -> None:
        """Remove the field if no account can send a thread."""
        if not any(rules_of(account).threads for account in accounts):
            del self.fields["as_thread"]


class ReplyForm(
    Composing,
    PlaceFields,
    CopyFields,
    ServeFields,
    AcknowledgeFields,
    FileFields,
    ThreadField,
    Later,
):
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 6}))

    def __init__(self, case: Case, user: User, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files, initial={"seen": case.last_inbound_id})
        places = places_for(case)
        self.offer_places(case, places)
        self.offer_copies()
        self.offer_people(case, user)
        self.offer_acknowledgement(places, wrote_privately="publicly" in self.fields)
        accounts = [place.account for place in self.places.values()]
        self.offer_files(user, accounts)
        self.offer_thread(accounts)

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("place"):
            self.check_length([self.chosen])
            self.check_files([self.chosen.account])
            self.check_people(self.chosen)
            self.check_copies(self.chosen)
            self.check_acknowledgement(self.chosen)
        self.check_publicly()
        return self.cleaned_data

    def resume(self, fields: dict[str, Any], text: str) -> None:
        """Fill the form with a draft.

        If the person wrote privately, a public place is selected only if the user has consented to
        a public answer.
        """
        confirmed = "publicly" not in self.fields or fields.get("publicly")
        if is_public(fields.get("place", "")) and not confirmed:
            fields = {name: value for name, value in fields.items() if name != "place"}
        super().resume(fields, text)


@dataclass(frozen=True, slots=True)
class Preview:
    """How a text will look when it is published by one account.

    posts: the posts of the thread, if the text is sent as a thread; otherwise the text alone.
    """

    account: Account
    title: str
    posts: tuple[str, ...]
    measure: Measure

    @property
    def colour(self) -> int:
        return self.account.pk % 8


class StatementChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Response) -> str:
        words = Truncator(obj.subject or obj.text).chars(60)
        return f"{timezone.localtime(obj.created_at):%Y-%m-%d} · {words}"


class StatementForm(Composing, ThreadField, Later):
    accounts = forms.ModelMultipleChoiceField(
        Account.objects.none(),
        label=_("Channels"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Select at least one channel.")},
    )
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 8}))
    corrects = StatementChoice(
        Response.objects.none(),
        label=_("Earlier post to correct"),
        required=False,
        empty_label=_("none"),
    )
    campaign = CampaignField()

    def __init__(
        self,
        department: Department,
        issue: Issue | None,
        seen: int | None,
        data: Any = None,
        *,
        user: User,
    ) -> None:
        super().__init__(data, initial={"seen": seen})
        campaign = self.fields["campaign"]
        assert isinstance(campaign, CampaignField)
        campaign.among(user)
        self.department = department
        public = [account.pk for account in public_accounts(department)]
        accounts, corrects = self.fields["accounts"], self.fields["corrects"]
        assert isinstance(accounts, forms.ModelMultipleChoiceField)
        assert isinstance(corrects, forms.ModelChoiceField)
        self.places = Account.objects.filter(pk__in=public).order_by("name")
        accounts.queryset = self.places
        corrects.queryset = Response.objects.filter(
            issue=issue, audience="many", state="released", issue__isnull=False
        ).order_by("-pk")
        self.has_accounts = bool(public)
        self.offer_thread(self.places)
        for account in self.places:
            self.fields[version_name(account)] = forms.CharField(
                label=account.name,
                required=False,
                widget=forms.Textarea(attrs={"rows": 3}),
            )
        if not corrects.queryset.exists():
            del self.fields["corrects"]

    def clean(self) -> dict[str, Any]:
        accounts = list(self.cleaned_data.get("accounts", ()))
        typed = {row.pk: self.cleaned_data.get(version_name(row), "") for row in accounts}
        text = self.cleaned_data.get("text", "")
        # A version that equals the text is not stored: it would not change with later edits.
        self.cleaned_data["versions"] = {
            pk: words for pk, words in typed.items() if words and words != text
        }
        self.check_length(Place(account) for account in accounts)
        return self.cleaned_data

    @property
    def versions(self) -> list[forms.BoundField]:
        """The form fields in which the user enters a different text for each account.

        The list is empty if only one account can publish the post.
        """
        places = list(self.places)
        return [self[version_name(place)] for place in places] if len(places) > 1 else []

    @property
    def has_versions(self) -> bool:
        return any(field.value() or field.errors for field in self.versions)

    @property
    def planned(self) -> str:
        """The time of sending as the user typed it, or "" if the user typed no time."""
        return str(self["send_at"].value() or "").replace("T", " ")

    @property
    def previews(self) -> list[Preview]:
        """A preview of the typed text for each chosen account. The form need not be valid."""
        chosen = {number(str(value)) for value in self["accounts"].value() or ()}
        title, text = str(self["subject"].value() or ""), str(self["text"].value() or "")
        return [
            self._preview(account, title, str(self[version_name(account)].value() or text))
            for account in self.places
            if account.pk in chosen
        ]

    def _preview(self, account: Account, title: str, text: str) -> Preview:
        as_thread = "as_thread" in self.fields and bool(self["as_thread"].value())
        message = Place(account).outgoing(text)
        posts = thread_of(message, account) if as_thread else ()
        shown = title if titled(account) else ""
        measured = measure(message, account)
        return Preview(account, shown, posts or (text,), measured)


class NoteForm(Composing):
    """A form for a note to colleagues. A note is never sent."""

    text = forms.CharField(
        max_length=10_000,
        label=_("Internal note"),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("Enter a note, or close this form.")},
    )


class NothingForm(Composing):
    why = forms.CharField(
        label=_("Reason"),
        max_length=500,
        widget=forms.TextInput(attrs={"data-replaceable": True}),
    )

    def __init__(self, case: Case, user: User, data: Any = None) -> None:
        super().__init__(data, initial={"seen": case.last_inbound_id})
        last = Decision.objects.filter(by=user, outcome=Decision.Outcome.NONE).order_by("-pk")
        self.initial["why"] = last.values_list("why", flat=True).first() or ""


def version_name(account: Account) -> str:
    return f"version_{account.pk}"
