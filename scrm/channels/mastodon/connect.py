"""Connect an account: the form, and the login with a token that was made by hand."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.connector import Connected, ConnectError, ConnectForm, Connector
from scrm.channels.mastodon.account import find_server, log_in
from scrm.channels.mastodon.oauth import MastodonOAuth


class ServerForm(ConnectForm):
    """The server, and a token for those who prefer one to the login page."""

    address = forms.CharField(
        label=_("Server"),
        max_length=500,
        help_text=_("The server of the account, such as mastodon.example, or the whole account, "
                    "such as @us@mastodon.example."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )  # fmt: skip
    token = forms.CharField(
        label=_("Access token (optional)"),
        max_length=500,
        required=False,
        help_text=_("Leave it empty to log in on the page of the server. A token is made there "
                    "under Preferences → Development. It is stored encrypted and never shown "
                    "again."),
        widget=forms.PasswordInput(render_value=True, attrs={"autocomplete": "off"}),
    )  # fmt: skip

    def show(self, known: Credentials) -> None:
        # The web address of a server can differ from the domain of its accounts.
        self.initial.update(address=known.config.get("api") or known.address)


def connect(typed: Json, known: Credentials | None, *, test: bool = False) -> Connected:  # noqa: ARG001
    """Log in with a typed token. Without one, the login page of the server is used."""
    token = str(typed.get("token") or "").strip()
    if not token:
        raise ConnectError(("token", "Enter an access token, or log in on the server's page."))
    try:
        base = find_server(str(typed["address"]))
    except ChannelError as error:
        raise ConnectError(("address", error.message)) from error
    try:
        return log_in(base, token, known)
    except ChannelError as error:
        field = "token" if error.permanent else "address"
        raise ConnectError((field, error.message)) from error


CONNECTOR = Connector(
    label=_("Mastodon account"),
    title=_("Connect a Mastodon account"),
    about=_(
        "Mentions, replies, quotes and direct messages to the account arrive in the inbox, and "
        "replies and posts appear under its name."
    ),
    form=ServerForm,
    connect=connect,
    oauth=MastodonOAuth(),
)
