from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Account, User, Workspace
from crm.models.user import takes_mail
from scrm.channels.base import Credentials
from scrm.channels.email.item import NETWORK, self_key
from scrm.channels.email.people import mail_address, readable
from scrm.channels.email.wire import Field, Side, check
from scrm.web.form_fields import set_empty_label, set_queryset

_ONE_LINE = RegexValidator(
    r"\A[^\x00-\x1f\x7f]*\Z", _("Line breaks and control characters are not allowed.")
)
_HOST = RegexValidator(r"\A[^\s/@]+\Z", _("Enter only a server name, such as imap.example.org."))
_SECURITY = (
    ("tls", _("TLS")),
    ("starttls", _("STARTTLS")),
    ("none", _("none (only for a server on this machine)")),
)
_SIDES: dict[Side, Any] = {"imap": _("Reading (IMAP)"), "smtp": _("Sending (SMTP)")}
_AT: dict[Field, str] = {"security": "security", "host": "host", "folder": "host", "": "host"}


def _port(label: Any, initial: int) -> forms.IntegerField:
    return forms.IntegerField(label=label, initial=initial, min_value=1, max_value=65_535)


def _host(label: Any, example: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"placeholder": example, "spellcheck": "false"})
    return forms.CharField(label=label, max_length=253, validators=[_HOST], widget=widget)


class MailboxForm(forms.ModelForm):  # type: ignore[type-arg]
    """Settings of a mailbox: its IMAP and SMTP servers, login and sender."""

    address = forms.EmailField(label=_("Email address"), max_length=254, validators=[takes_mail])
    sender = forms.CharField(
        label=_("Sender name"),
        max_length=120,
        required=False,
        validators=[_ONE_LINE],
        help_text=_("Recipients see it before the address."),
    )
    user = forms.CharField(
        label=_("User name"),
        max_length=254,
        required=False,
        validators=[_ONE_LINE],
        help_text=_("Leave empty to use the email address."),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=500,
        strip=False,
        validators=[_ONE_LINE],
        widget=forms.PasswordInput(render_value=True, attrs={"autocomplete": "new-password"}),
    )
    imap_host = _host(_("IMAP server (reading)"), "imap.example.org")
    imap_port = _port(_("Port"), 993)
    imap_security = forms.ChoiceField(label=_("Encryption"), choices=_SECURITY)
    smtp_host = _host(_("SMTP server (sending)"), "smtp.example.org")
    smtp_port = _port(_("Port"), 465)
    smtp_security = forms.ChoiceField(label=_("Encryption"), choices=_SECURITY)
    signature = forms.CharField(
        label=_("Signature"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Added below each email that is sent from this mailbox."),
    )

    class Meta:
        model = Account
        fields = ("owner",)

    field_order = ("address", "sender", "user", "password")
    SERVERS = (
        "imap_host", "imap_port", "imap_security", "smtp_host", "smtp_port", "smtp_security",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        set_queryset(self, "owner", User.objects.active().order_by("name"))
        set_empty_label(self, "owner", None)
        if here := Workspace.objects.here():
            self.initial.setdefault("signature", here.signature)
            self.initial.setdefault("sender", here.organisation[:120])
        if self.instance.pk:
            self._show(self.instance)

    def _show(self, row: Account) -> None:
        """Show the stored settings. The password is never shown; an empty field keeps it."""
        del self.fields["address"]  # the ledger refers to this identity, so it cannot change
        config = row.config
        kept = (*self.SERVERS, "user", "signature")
        self.initial.update({name: config.get(name) for name in kept})
        self.initial["sender"] = config.get("name", "")
        self.fields["password"].required = False
        self.fields["password"].help_text = _("Leave empty to keep the stored password.")

    def clean_address(self) -> str:
        address = mail_address(self.cleaned_data["address"])
        twin = Account.objects.filter(network=NETWORK, self_key=self_key(address)).first()
        if twin:
            raise ValidationError(_t("“%(name)s” already uses this mailbox.") % {"name": twin})
        return address

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            self._address = data.get("address") or self.instance.address
            data["user"] = data["user"] or self._address
        return data

    def try_logins(self) -> bool:
        """Log in to both servers; add each error to the field it concerns.

        Return whether both worked.
        """
        for side, error in check(self.credentials, seconds=10).items():
            at = _AT.get(error.at)
            text = f"{_SIDES[side]}: {error.message}"
            self.add_error(f"{side}_{at}" if at else "password", text)
        return not self.errors

    @property
    def is_same_server(self) -> bool:
        """Whether nothing changed that a new login would have to check."""
        return not set(self.changed_data) & {*self.SERVERS, "user", "password", "address"}

    @property
    def credentials(self) -> Credentials:
        typed = self.cleaned_data
        config = {name: typed[name] for name in (*self.SERVERS, "user", "signature")}
        password = typed["password"] or (self.instance.secrets or {}).get("password", "")
        return Credentials(
            network=NETWORK,
            self_key=self_key(self._address),
            address=self._address,
            secrets={"password": password},
            config=config | {"name": typed["sender"]},
        )

    def save(self, commit: bool = True) -> Account:  # noqa: ARG002
        said = self.credentials
        row: Account = self.instance
        row.kind, row.network, row.self_key = NETWORK, NETWORK, said.self_key
        row.address, row.name = said.address, row.name or readable(said.address)
        row.secrets = dict(said.secrets)
        return row.keep_with(said.config)
