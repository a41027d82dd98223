from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.adapter import forget_old_addresses
from crm.models import Account, Contact, Profile, User, Workspace
from crm.models.user import takes_mail
from scrm.channels.sandbox.remote import BLOG, MAIL, MICROBLOG


class ContactForm(forms.ModelForm):  # type: ignore[type-arg]
    """What we know of somebody. seen: the version that the page showed."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Contact
        fields = ("name", "kind", "about", "owner")
        widgets = {"about": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = User.objects.active().order_by("name")  # type: ignore[attr-defined]
        self.fields["owner"].empty_label = _("nobody")  # type: ignore[attr-defined]
        if self.instance.pk:
            self.fields["seen"].initial = self.instance.version
        else:  # who is there already shows while the name is typed
            self.fields["name"].widget.attrs |= {
                "hx-get": reverse("crm:namesakes"),
                "hx-trigger": "input changed delay:300ms",
                "hx-target": "#namesakes",
                "autocomplete": "off",
            }


class StrangerForm(forms.ModelForm):  # type: ignore[type-arg]
    """The least that makes a contact of a stranger."""

    class Meta:
        model = Contact
        fields = ("name", "kind")


class TagForm(forms.Form):
    tag = forms.CharField(label=_("Tag"), max_length=60)

    def clean_tag(self) -> str:
        return " ".join(self.cleaned_data["tag"].split())


class EvidenceForm(forms.Form):
    """Why a profile is a contact; the claim is kept with it."""

    evidence = forms.CharField(
        label=_("How do you know?"),
        max_length=500,
        help_text=_("Kept with the link: “said so on the phone”, “same address in the mail”."),
    )


class LinkForm(EvidenceForm):
    """A profile's side: which contact it is. seen: the current claim that the page showed."""

    contact = forms.ModelChoiceField(
        queryset=Contact.objects.all(), error_messages={"required": _("Choose who it is.")}
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


class ProfileChoiceForm(EvidenceForm):
    """A contact's side: which profile is them too.

    move: the claim that it is somebody else, if that is to end.
    """

    profile = forms.ModelChoiceField(
        queryset=Profile.objects.all(), error_messages={"required": _("Choose a profile.")}
    )
    move = forms.CharField(required=False)


class RelationForm(forms.Form):
    """How a contact is connected with another; `way` says who is the subject."""

    FORTH, BACK = "forth", "back"

    kind = forms.CharField(label=_("How"), max_length=60)
    way = forms.ChoiceField(choices=((FORTH, ""), (BACK, "")))
    contact = forms.ModelChoiceField(
        queryset=Contact.objects.all(), error_messages={"required": _("Choose the other one.")}
    )

    def __init__(self, *args: Any, of: Contact, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Contact.objects.exclude(pk=of.pk)
        self.fields["contact"].queryset = others  # type: ignore[attr-defined]
        self.of = of

    def clean_kind(self) -> str:
        return " ".join(self.cleaned_data["kind"].split())

    def pair(self) -> tuple[Contact, Contact]:
        """Who is it, of whom."""
        other = self.cleaned_data["contact"]
        forth = self.cleaned_data["way"] == self.FORTH
        return (self.of, other) if forth else (other, self.of)


_TAKEN = _("This address is already in use.")


def login_address(typed: str, *, of: User) -> str:
    """The address with which `of` logs in, in lower case. Raises ValidationError where no mail
    can be sent to it, or somebody else has it."""
    email = typed.strip().lower()
    takes_mail(email)
    if User.objects.filter(email__iexact=email).exclude(pk=of.pk).exists():
        raise ValidationError(_TAKEN)
    return email


class AddressForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person with the address by which they log in."""

    def clean_email(self) -> str:
        return login_address(self.cleaned_data["email"], of=self.instance)

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        if commit and "email" in self.changed_data:
            forget_old_addresses(user)
        return user

    def save_if_free(self) -> User | None:
        """Save; None with an error at the field if somebody took the address since the check."""
        try:
            with transaction.atomic():
                return self.save()
        except IntegrityError:
            self.add_error("email", _TAKEN)
            return None


class InviteForm(AddressForm):
    class Meta:
        model = User
        fields = ("email", "name", "role")

    def save(self, commit: bool = True) -> User:
        self.instance.set_unusable_password()  # the link that they get sets one
        return super().save(commit)


class PersonForm(AddressForm):
    class Meta:
        model = User
        fields = ("name", "email", "role")
        labels = {"email": _("Mail address (used to log in)")}

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.instance.is_active and is_last_admin(self.instance) and role != User.Role.ADMIN:
            raise ValidationError(_t("This is the last admin. Make somebody else admin first."))
        return role


class MeForm(AddressForm):
    password = forms.CharField(
        label=_("Your password"),
        required=False,
        strip=False,
        help_text=_("Only needed to change the mail address."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("name", "email", "password")

    class Meta:
        model = User
        fields = ("name", "email", "shortcuts", "mail_notices")
        labels = {
            "name": _("Your name, as colleagues and the record show it"),
            "email": _("Your mail address (used to log in)"),
            "shortcuts": _("Keys act as shortcuts"),
            "mail_notices": _("Notices also come by mail"),
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        changed = data.get("email", self.initial["email"]) != self.initial["email"]
        if changed and not self.instance.check_password(data.get("password")):
            self.add_error("password", _t("Type your password here to change the mail address."))
        return data


def is_last_admin(user: User) -> bool:
    """Whether nobody else could let people in. As stored, not as typed."""
    admins = User.objects.active().filter(role=User.Role.ADMIN)
    return set(admins.values_list("pk", flat=True)) == {user.pk}


class HandlesField(forms.CharField):
    """Names, one a line or with commas between → list, each once."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        text = str(value or "").replace(",", "\n")
        self.run_validators(text)  # NUL is seen in the text, not in the list that becomes of it
        names = list({name: None for name in map(str.strip, text.splitlines()) if name})
        if long := next((name for name in names if len(name) > 200), None):
            raise ValidationError(_t("“%(name)s…” is too long.") % {"name": long[:40]})
        return names

    def validate(self, value: Any) -> None:
        """All is said in `to_python`."""


class WorkspaceForm(forms.ModelForm):  # type: ignore[type-arg]
    """Who works here."""

    zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("Its days are the days of every list, chart and rule."),
    )
    handles = HandlesField(
        label=_("Your own handles"),
        required=False,
        strip=False,
        help_text=_("What others call you when they speak to you or of you, one a line: @acme."),
    )

    class Meta:
        model = Workspace
        fields = ("organisation", "zone", "handles", "signature")
        widgets = {"signature": forms.Textarea(attrs={"rows": 3})}
        labels = {"organisation": _("Organisation"), "signature": _("Signature under mail")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = [(name, name.replace("_", " ")) for name in sorted(available_timezones())]
        self.fields["zone"].choices = zones  # type: ignore[attr-defined]


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """Channels without secrets: the sandbox, and what people do by hand."""

    OFFLINE = "offline"
    NETWORKS = (
        (MICROBLOG, _("Sandbox: microblog")),
        (MAIL, _("Sandbox: mail")),
        (BLOG, _("Sandbox: blog")),
        (OFFLINE, _("By hand: telephone, letter, in person")),
    )
    network = forms.ChoiceField(label=_("Where"), choices=NETWORKS)
    self_key = forms.CharField(
        label=_("Our name there"),
        required=False,
        max_length=300,
        help_text=_("The handle or mail address by which others write to us. None by hand."),
    )

    class Meta:
        model = Account
        fields = ("network", "self_key", "name", "owner")
        labels = {"name": _("Name on screen")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = User.objects.active().order_by("name")  # type: ignore[attr-defined]
        self.fields["owner"].empty_label = None  # type: ignore[attr-defined]
        if self.instance.pk:  # who we are there stands in the ledger
            del self.fields["network"], self.fields["self_key"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.instance.pk or "network" not in data:
            return data
        key = (data.get("self_key") or "").strip(" @")
        data["self_key"] = key = {MAIL: key.lower(), self.OFFLINE: ""}.get(data["network"], key)
        if not key and data["network"] != self.OFFLINE:
            self.add_error("self_key", _t("Say under which name others write to us there."))
        twin = Account.objects.filter(network=data["network"], self_key=key).first()
        if twin and not self.errors:
            self.add_error("network", _t("“%(name)s” is this account already.") % {"name": twin})
        return data

    def save(self, commit: bool = True) -> Account:
        if not self.instance.pk:
            offline = self.cleaned_data["network"] == self.OFFLINE
            self.instance.kind = "manual" if offline else "sandbox"
            self.instance.address = self.cleaned_data["self_key"]
        account: Account = super().save(commit)
        return account
