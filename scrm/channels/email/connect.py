"""Connect a mailbox: the form, and the test of the IMAP login and the SMTP login."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from scrm.channels.base import Credentials, Json
from scrm.channels.connector import Connected, ConnectError, ConnectForm, Connector
from scrm.channels.email.item import NETWORK, self_key
from scrm.channels.email.listen import FOLDER
from scrm.channels.email.people import mail_address, readable
from scrm.channels.email.validators import takes_mail
from scrm.channels.email.wire import Field, MailError, Side, check

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
_IMAP = ("imap_host", "imap_port", "imap_security")
_SMTP = ("smtp_host", "smtp_port", "smtp_security")
_LOGIN = (*_IMAP, *_SMTP, "user")
_OTHER = ("signature", "authserv_id")


def _port(label: Any, initial: int) -> forms.IntegerField:
    return forms.IntegerField(label=label, initial=initial, min_value=1, max_value=65_535)


def _host(label: Any, example: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"placeholder": example, "spellcheck": "false"})
    return forms.CharField(label=label, max_length=253, validators=[_HOST], widget=widget)


class MailboxForm(ConnectForm):
    """The form for the settings of a mailbox: its IMAP and SMTP servers, login and sender."""

    lines = (_IMAP, _SMTP)

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
    authserv_id = forms.CharField(
        label=_("Authentication server (authserv-id)"),
        max_length=253,
        required=False,
        validators=[_HOST],
        widget=forms.TextInput(attrs={"placeholder": "mx.example.org", "spellcheck": "false"}),
        help_text=_(
            "The name at the start of the header Authentication-Results in your mail. If that "
            "server says that a mail fails DMARC, the mail is marked and kept apart from other "
            "mail of its sender. Leave empty if your server does not check DMARC."
        ),
    )
    signature = forms.CharField(
        label=_("Signature"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Added below each email that is sent from this mailbox."),
    )

    def show(self, known: Credentials) -> None:
        # The ledger refers to the account by this address, so the address cannot change.
        del self.fields["address"]
        self.initial.update({name: known.config.get(name) for name in (*_LOGIN, *_OTHER)})
        self.initial["sender"] = known.config.get("name", "")
        self.fields["password"].required = False
        self.fields["password"].help_text = _("Leave empty to keep the stored password.")

    def clean_address(self) -> str:
        return mail_address(self.cleaned_data["address"])


def connect(typed: Json, known: Credentials | None, *, test: bool = False) -> Connected:
    """Log in to the IMAP and the SMTP server; return the data of the mailbox.

    The login is skipped if `test` is false and only the sender or the signature has changed.
    """
    mailbox = _mailbox(typed, known)
    login_changed = typed["password"] or not known or _login(mailbox) != _login(known)
    if test or login_changed:
        errors = check(mailbox, seconds=10)
        if errors:
            raise ConnectError(*(_at_field(side, error) for side, error in errors.items()))
    return mailbox


def _mailbox(typed: Json, known: Credentials | None) -> Connected:
    address = known.address if known else typed["address"]
    password = typed["password"] or (known.secrets.get("password", "") if known else "")
    kept = (*_IMAP, *_SMTP, *_OTHER)
    user, sender = typed["user"] or address, typed["sender"]
    return Connected(
        network=NETWORK,
        self_key=self_key(address),
        address=address,
        name=readable(address),
        secrets={"password": password},
        config={name: typed[name] for name in kept} | {"user": user, "name": sender},
        sources_to_open={FOLDER: f"Email: {address}"},
    )


def _login(mailbox: Credentials) -> list[Any]:
    return [mailbox.config.get(name) for name in _LOGIN]


def _at_field(side: Side, error: MailError) -> tuple[str, str]:
    at = _AT.get(error.at)
    return (f"{side}_{at}" if at else "password"), f"{_SIDES[side]}: {error.message}"


CONNECTOR = Connector(
    label=_("Mailbox"),
    title=_("Connect a mailbox"),
    about=_(
        "Every email that arrives there opens or updates a case, and replies are sent from there. "
        "scrm does not delete emails or mark them as read."
    ),
    form=MailboxForm,
    connect=connect,
)
