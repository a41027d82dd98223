from __future__ import annotations

import uuid
from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.ledger import tellable
from crm.models import Attachment, Contact, Profile, ProfileLink, User, Workspace
from crm.offline_kinds import OFFLINE_KINDS
from routing.forms.offline_call import CallFields, LetterFields
from routing.forms.offline_case import CaseChoice
from routing.forms.offline_scans import HELP, ScansField
from routing.models import Case
from routing.offline.cells import LONGEST_NAME, LONGEST_TEXT, Unclear, reach
from routing.offline.find_person import NEW, chosen, find
from routing.offline.record import OfflineContact
from routing.reference import cases_cited, reference
from scrm.web.form_fields import set_queryset

_CHOICES = [(kind, look.label) for kind, look in OFFLINE_KINDS.items()]
_TABS = ("call", "letter", "other")
_LABELS = {
    "call": __("What was said"),
    "letter": __("Transcription of the letter"),
    "other": __("What was said"),
}


class OfflineForm(CallFields, LetterFields, CaseChoice):
    """An offline contact: the person, the kind, the text and the time.

    form: UUID of the form. If the form is submitted twice, the offline contact is logged once.
    profile: the value of the chosen person; see `find_person.Person.value`.
    profile_q: the words with which the user searched for the person.
    phone: a phone number or a mail address.
    kept: UUIDs of scans that were stored when the form was submitted earlier and shown again.
    """

    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    kind = forms.ChoiceField(
        choices=_CHOICES,
        label=__("Type"),
        widget=forms.HiddenInput,
        initial="call",
    )
    case = forms.ModelChoiceField(Case.objects.none(), required=False, widget=forms.HiddenInput)
    profile = forms.CharField(required=False, max_length=40)
    profile_q = forms.CharField(required=False, max_length=LONGEST_NAME)
    name = forms.CharField(
        required=False,
        max_length=LONGEST_NAME,
        label=__("Name"),
        widget=forms.TextInput(attrs={"dir": "auto", "autocomplete": "off", "placeholder": " "}),
    )
    phone = forms.CharField(
        required=False,
        max_length=254,
        label=__("Phone number or email address"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": " "}),
    )
    text = forms.CharField(
        max_length=LONGEST_TEXT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 7, "dir": "auto"}),
    )
    said_at = forms.DateTimeField(
        required=False,
        label=__("When"),
        help_text=__("Leave empty to use the current time."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    scans = ScansField(required=False, label=__("Scan"), help_text=HELP)
    kept = forms.ModelMultipleChoiceField(
        Attachment.objects.none(), required=False, to_field_name="uuid"
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.who: Profile | Contact | None = None
        self.reach = ("", "")
        self.country = Workspace.objects.country()
        set_queryset(self, "case", Case.objects.workable_by(user))
        # Use only the user's own scans: a UUID in the form must not attach another user's file.
        mine = Attachment.objects.filter(by=user)
        set_queryset(self, "kept", mine)
        self.as_kind(str(self["kind"].value() or ""))

    def as_kind(self, kind: str) -> None:
        """Adapt the labels and fields to the kind of offline contact, for example a letter."""
        self.tab = kind if kind in _TABS else "other"
        self.fields["text"].label = _LABELS[self.tab]
        if self.tab == "call":
            self.fields["phone"].label = __("Phone number")
            self.fields["said_at"].label = __("Start")
        if self.tab == "other":
            others = [pair for pair in _CHOICES if pair[0] not in _TABS[:2]]
            self.fields["kind"].widget = forms.Select(choices=others)

    def renew(self, why: str) -> None:
        """Give the form a new UUID, so that it can be submitted again, and show an error.

        why: the text of the error.
        """
        self.data = {**self.data, "form": str(uuid.uuid4())}
        self.add_error(None, why)

    def clean_said_at(self) -> datetime | None:
        at = tellable(self.cleaned_data["said_at"])
        if at and at > timezone.now():
            raise forms.ValidationError(_("This time is in the future. Enter when it was said."))
        return at

    def clean_phone(self) -> str:
        try:
            self.reach = reach(self.cleaned_data["phone"], self.country)
        except Unclear as why:
            raise forms.ValidationError(str(why)) from None
        return self.cleaned_data["phone"]  # type: ignore[no-any-return]

    def clean_profile(self) -> str:
        value: str = self.cleaned_data["profile"]
        self.who = chosen(value)
        if value not in {"", NEW} and self.who is None:
            raise forms.ValidationError(_("This person no longer exists. Search again."))
        return value

    def clean(self) -> dict[str, Any]:
        """Check that the form names a person, unless a case is given.

        If no person was chosen and no name or number was entered, the search words are used as
        name, number or address. They are used only if the user chose “new”, or if they match no
        known person.
        """
        data = self.cleaned_data
        if self.tab == "letter":
            self.check_letter()
            self._find_case_by_reference()
        if self.who or data.get("name") or data.get("phone"):
            self._refuse_number_of_other()
        elif not {"phone", "profile"} & set(self.errors):
            self._use_search_words(data.get("profile_q", ""))
        if not self.errors:
            self.ask_case(self.user, who=self.who, reach=self.reach)
        if self.tab == "call":
            self.check_call(self.number)
        elif not data.get("text") and "text" not in self.errors:
            self.add_error("text", _("Enter what was said."))
        return data

    def _find_case_by_reference(self) -> None:
        """Choose the case whose reference the letter cites, if no case is chosen yet."""
        data = self.cleaned_data
        if data.get("case"):
            return
        typed = data.get("reference", "")
        cited = cases_cited(typed or data.get("text", ""))
        cases = Case.objects.workable_by(self.user).filter(pk__in=cited)
        found = cases.first() if len(cited) == 1 else None
        if found is not None:
            data["case"], data["reference"] = found, reference(found.pk)
        elif typed:
            self.add_error("reference", _("No case that you can work on has this reference. "
                                          "Check it, or clear the field."))  # fmt: skip

    @property
    def number(self) -> str:
        """The number of the other party of a call, in E.164, or ""."""
        case = self.cleaned_data.get("case")
        person = self.who or (case.profile if case else None)
        profiles = Profile.objects.filter(network="phone")
        if isinstance(person, Contact):
            profiles = profiles.of_contact(person)
        else:
            profiles = profiles.filter(pk=person.pk if person else 0)
        return self.reach[0] or profiles.values_list("key", flat=True).first() or ""

    def _use_search_words(self, words: str) -> None:
        if words and (self.cleaned_data["profile"] == NEW or not find(words)):
            try:
                self.reach = reach(words, self.country)
            except Unclear:
                self.cleaned_data["name"] = words
        elif words or not self.cleaned_data.get("case"):
            self.add_error("name", _("Choose a person, or enter a name or a number."))

    def _refuse_number_of_other(self) -> None:
        """Add an error if the number or address belongs to another contact than the chosen one."""
        if not isinstance(self.who, Contact) or "phone" in self.errors:
            return
        number, address = self.reach
        links = ProfileLink.objects.filter(ended_at=None).exclude(contact=self.who)
        network, key = ("phone", number) if number else ("email", address)
        other = links.filter(profile__network=network, profile__key=key).first() if key else None
        if other:
            self.add_error(
                "phone",
                _("This belongs to %(other)s. Choose that person, or clear the field.")
                % {"other": other.contact},
            )

    def offline_contact(self) -> OfflineContact:
        """Return the valid input as an offline contact. The caller must log it."""
        data, case, (phone, mail) = self.cleaned_data, self.cleaned_data["case"], self.reach
        who: Profile | Contact | None = self.who
        # If no person is given, the offline contact comes from the customer of the case.
        if case and not (who or data["name"] or phone or mail):
            who = case.profile
        return OfflineContact(
            form=data["form"],
            kind=data["kind"],
            text=data["text"],
            name=data["name"],
            phone=phone,
            mail=mail,
            profile=who if isinstance(who, Profile) else None,
            contact=who if isinstance(who, Contact) else None,
            case=case,
            said_at=self._said_at(),
            direction=data["direction"] if self.tab == "call" else "in",
            details=self._details(),
            joins=not self.refuses_cases,
        )

    def _details(self) -> dict[str, Any]:
        if self.tab == "call":
            return self.call(self.number).stored()
        return self.letter().stored() if self.tab == "letter" else {}

    def _said_at(self) -> datetime | None:
        """Return when it was said. A letter counts from the day on which we received it."""
        received = self.cleaned_data["received_on"]
        if self.tab != "letter" or received in {None, timezone.localdate()}:
            return self.cleaned_data["said_at"]  # type: ignore[no-any-return]
        return timezone.make_aware(datetime.combine(received, time(12)))
