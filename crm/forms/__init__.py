from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django_countries import countries

from crm.adapter import forget_old_addresses
from crm.models import Account, Contact, Profile, User, Workspace
from scrm.channels import registry
from scrm.channels.email.validators import takes_mail
from scrm.channels.sandbox.networks import BLOG, BLUESKY, MAIL, MASTODON, X
from scrm.web.form_fields import set_choices, set_empty_label, set_queryset


class ContactForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form with the editable fields of a contact.

    seen: the value of `Contact.version` when the page was opened.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Contact
        fields = ("name", "kind", "about", "owner")
        widgets = {"about": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        set_queryset(self, "owner", User.objects.active().order_by("name"))
        set_empty_label(self, "owner", _("no owner"))
        if self.instance.pk:
            self.fields["seen"].initial = self.instance.version
        else:  # a new contact: show similar names during typing
            self.fields["name"].widget.attrs |= {
                "hx-get": reverse("crm:namesakes"),
                "hx-trigger": "input changed delay:300ms",
                "hx-target": "#namesakes",
                "autocomplete": "off",
            }


class StrangerForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form that creates a contact from a profile."""

    class Meta:
        model = Contact
        fields = ("name", "kind")


class TagForm(forms.Form):
    tag = forms.CharField(label=_("Tag"), max_length=60)

    def clean_tag(self) -> str:
        return " ".join(self.cleaned_data["tag"].split())


class EvidenceForm(forms.Form):
    """A form with the reason why a profile belongs to a contact.

    The reason is stored with the link between the profile and the contact.
    """

    evidence = forms.CharField(
        label=_("Evidence"),
        max_length=500,
        help_text=_(
            "Stored with the link, for example “said so on the phone” or “same address in "
            "the email”."
        ),
    )


class LinkForm(EvidenceForm):
    """The form on a profile's page that links the profile to a contact.

    seen: the id of the profile's current link when the page was opened.
    """

    contact = forms.ModelChoiceField(
        queryset=Contact.objects.all(), error_messages={"required": _("Choose a contact.")}
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


class ProfileChoiceForm(EvidenceForm):
    """The form on a contact's page that links a profile to the contact.

    move: usually "". If the profile is already linked to another contact, the user must confirm
    that scrm may end that link. After the confirmation, `move` is the id of the link to end.
    """

    profile = forms.ModelChoiceField(
        queryset=Profile.objects.all(), error_messages={"required": _("Choose a profile.")}
    )
    move = forms.CharField(required=False)


class RelationForm(forms.Form):
    """The form on a contact's page that adds a relation to another contact.

    way: FORTH if the contact of the page is the subject of the relation, BACK if the other contact
    is its subject.
    """

    FORTH, BACK = "forth", "back"

    kind = forms.CharField(label=_("Relation"), max_length=60)
    way = forms.ChoiceField(choices=((FORTH, ""), (BACK, "")))
    contact = forms.ModelChoiceField(
        queryset=Contact.objects.all(), error_messages={"required": _("Choose the other contact.")}
    )

    def __init__(self, *args: Any, of: Contact, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Contact.objects.exclude(pk=of.pk)
        set_queryset(self, "contact", others)
        self.of = of

    def clean_kind(self) -> str:
        return " ".join(self.cleaned_data["kind"].split())

    def pair(self) -> tuple[Contact, Contact]:
        """Return two contacts: the subject of the relation and its object."""
        other = self.cleaned_data["contact"]
        forth = self.cleaned_data["way"] == self.FORTH
        return (self.of, other) if forth else (other, self.of)


_TAKEN = _("This address is already in use.")


def login_address(typed: str, *, of: User) -> str:
    """Return the typed mail address in lower case, if the user `of` can use it to log in.

    Raises ValidationError if no mail can be sent to the address or if another user has the same
    address.
    """
    email = typed.strip().lower()
    takes_mail(email)
    if User.objects.filter(email__iexact=email).exclude(pk=of.pk).exists():
        raise ValidationError(_TAKEN)
    return email


class AddressForm(forms.ModelForm):  # type: ignore[type-arg]
    """Base class of the forms that change the address with which a user logs in."""

    def clean_email(self) -> str:
        return login_address(self.cleaned_data["email"], of=self.instance)

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        if commit and "email" in self.changed_data:
            forget_old_addresses(user)
        return user

    def save_if_free(self) -> User | None:
        """Save and return the user.

        If another user has taken the address since the form was validated, add a field error and
        return None.
        """
        # Without this savepoint, the IntegrityError would break the caller's transaction.
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
        self.instance.set_unusable_password()  # the user sets one with the link in the invitation
        return super().save(commit)


class PersonForm(AddressForm):
    class Meta:
        model = User
        fields = ("name", "email", "role")
        labels = {"email": _("Email address (used to log in)")}

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.instance.is_active and is_last_admin(self.instance) and role != User.Role.ADMIN:
            raise ValidationError(_t("This is the last admin. Make another user an admin first."))
        return role


class MeForm(AddressForm):
    password = forms.CharField(
        label=_("Your password"),
        required=False,
        strip=False,
        help_text=_("Only needed to change the email address."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("name", "email", "password")

    class Meta:
        model = User
        fields = ("name", "email", "shortcuts", "mail_notices")
        labels = {
            "name": _("Your name, as shown to colleagues and in the record"),
            "email": _("Your email address (used to log in)"),
            "shortcuts": _("Keyboard shortcuts"),
            "mail_notices": _("Email notices"),
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        changed = data.get("email", self.initial["email"]) != self.initial["email"]
        if changed and not self.instance.check_password(data.get("password")):
            self.add_error("password", _t("Enter your password to change the email address."))
        return data


def is_last_admin(user: User) -> bool:
    """Return whether the user is the only active admin.

    The stored roles count. A role that was only typed into a form does not count.
    """
    admins = User.objects.active().filter(role=User.Role.ADMIN)
    return set(admins.values_list("pk", flat=True)) == {user.pk}


class HandlesField(forms.CharField):
    """A text field for names, one per line or separated by commas.

    The cleaned value is a list of the names without duplicates.
    """

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        text = str(value or "").replace(",", "\n")
        # Validate before the split: the validators find NUL characters in a text but not in a list.
        self.run_validators(text)
        names = list({name: None for name in map(str.strip, text.splitlines()) if name})
        if long := next((name for name in names if len(name) > 200), None):
            raise ValidationError(_t("“%(name)s…” is too long.") % {"name": long[:40]})
        return names

    def validate(self, value: Any) -> None:
        """Do nothing, because `to_python` has already run the validators."""


class WorkspaceForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form for the settings of the workspace."""

    zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("Days in every list, chart and rule start at midnight in this time zone."),
    )
    country = forms.ChoiceField(
        label=_("Country"),
        required=False,
        help_text=_("Phone numbers of this country can be entered without country code."),
    )
    handles = HandlesField(
        label=_("Your own handles"),
        required=False,
        strip=False,
        help_text=_(
            "Names that others use when they write to you or about you, one per line: @acme."
        ),
    )

    class Meta:
        model = Workspace
        fields = ("organisation", "zone", "country", "address", "handles", "signature")
        widgets = {
            "address": forms.Textarea(attrs={"rows": 4, "autocomplete": "street-address"}),
            "signature": forms.Textarea(attrs={"rows": 3}),
        }
        labels = {
            "organisation": _("Organisation"),
            "address": _("Postal address"),
            "signature": _("Email signature"),
        }
        help_texts = {"address": _("Printed as the sender on your letters: street, town, country.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = [(name, name.replace("_", " ")) for name in sorted(available_timezones())]
        set_choices(self, "zone", zones)
        set_choices(self, "country", [("", _("not set")), *countries])


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form for an account that needs no login.

    Such an account belongs to the sandbox, or staff use it to record interactions by hand.
    """

    OFFLINE = "offline"
    NETWORKS = (
        *((kind, registry.label(kind)) for kind in (X, MASTODON, BLUESKY, MAIL, BLOG)),
        (OFFLINE, _("Logged manually: telephone, letter, in person")),
    )
    network = forms.ChoiceField(label=_("Network"), choices=NETWORKS)
    self_key = forms.CharField(
        label=_("Our handle or address"),
        required=False,
        max_length=300,
        help_text=_("Others use it to write to us. Leave empty for activity logged manually."),
    )

    class Meta:
        model = Account
        fields = ("network", "self_key", "name", "owner")
        labels = {"name": _("Display name")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        set_queryset(self, "owner", User.objects.active().order_by("name"))
        set_empty_label(self, "owner", None)
        if self.instance.pk:  # interactions refer to these fields, so they cannot change
            del self.fields["network"], self.fields["self_key"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.instance.pk or "network" not in data:
            return data
        key = (data.get("self_key") or "").strip(" @")
        # Mail addresses are stored in lower case. There is only one account for manual logging.
        data["self_key"] = key = {MAIL: key.lower(), self.OFFLINE: ""}.get(data["network"], key)
        if not key and data["network"] != self.OFFLINE:
            self.add_error("self_key", _t("Enter our handle or address on this network."))
        other = Account.objects.filter(network=data["network"], self_key=key).first()
        if other and not self.errors:
            self.add_error("network", _t("“%(name)s” already uses this account.") % {"name": other})
        return data

    def save(self, commit: bool = True) -> Account:  # noqa: ARG002
        row: Account = self.instance
        typed = self.cleaned_data
        if not row.pk:
            row.kind = "manual" if typed["network"] == self.OFFLINE else typed["network"]
            row.address = typed["self_key"]
        return row.keep_with({}, name=typed["name"], owner=typed["owner"])
