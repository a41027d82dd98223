"""Connect a Bluesky account with its handle and an app password."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.bluesky.client import Row, XrpcError, encrypted_or_local
from scrm.channels.bluesky.listen import MENTIONS, MESSAGES
from scrm.channels.bluesky.read import NETWORK
from scrm.channels.bluesky.session import claims, expiry, log_in, renew, secrets_of
from scrm.channels.connector import Connected, ConnectError, ConnectForm, Connector

SERVER = "https://bsky.social"
_FULL_ACCESS, _WITH_MESSAGES = "com.atproto.access", "com.atproto.appPassPrivileged"
_SCHEME = re.compile(r"(?i)https?://")


class BlueskyForm(ConnectForm):
    """Handle, app password and server of an account."""

    handle = forms.CharField(
        label=_("Handle"),
        max_length=253,
        help_text=_("For example skyward.bsky.social, without @."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("App password"),
        max_length=200,
        help_text=_("Create it in Bluesky under Settings → Privacy and security → App passwords. "
                    "Allow access to direct messages if scrm is to read and answer them. It is "
                    "stored encrypted and never shown again."),
        widget=forms.PasswordInput(render_value=True, attrs={"autocomplete": "off"}),
    )  # fmt: skip
    server = forms.CharField(
        label=_("Server"),
        max_length=300,
        required=False,
        help_text=_("Leave empty for bsky.social. Enter an address only if your organisation runs "
                    "its own server."),
        widget=forms.TextInput(attrs={"inputmode": "url", "placeholder": SERVER}),
    )  # fmt: skip

    def show(self, known: Credentials) -> None:
        server = known.config.get("server", SERVER)
        self.initial.update(
            handle=known.address.removeprefix("@"), server="" if server == SERVER else server
        )


def connect(typed: Json, known: Credentials | None, *, test: bool = False) -> Connected:  # noqa: ARG001
    """Log in with the app password. `self_key` is the account's DID, which never changes."""
    handle = typed["handle"].strip().removeprefix("@").lower()
    password, server = typed["password"].strip(), _server(typed.get("server", ""))
    answer = _log_in(server, handle, password)
    scope = claims(answer["accessJwt"]).get("scope")
    if scope == _FULL_ACCESS:
        message = _("This is the main password of the account. Create an app password and enter it "
                    "here.")  # fmt: skip
        raise ConnectError(("password", str(message)))
    if answer.get("active") is False:
        message = _("This account is not active. Open it in Bluesky first.")
        raise ConnectError(("handle", str(message)))
    name = str(answer.get("handle") or handle)
    messages = scope == _WITH_MESSAGES
    sources = {MENTIONS: f"Bluesky: mentions of @{name}"}
    if messages:
        sources[MESSAGES] = f"Bluesky: messages to @{name}"
    return Connected(
        network=NETWORK,
        self_key=answer["did"],
        address=f"@{name}",
        name=f"@{name}",
        secrets=secrets_of({"identifier": handle, "password": password}, answer),
        config={"pds": _pds(answer, server), "server": server, "messages": messages},
        # Sources that exist already are not opened a second time.
        sources_to_open=sources,
        expires_at=expiry(answer),
    )


def _server(typed: str) -> str:
    typed = typed.strip() or SERVER
    try:
        return encrypted_or_local(typed if _SCHEME.match(typed) else f"https://{typed}")
    except ChannelError as error:
        raise ConnectError(("server", error.message)) from error


def _log_in(server: str, handle: str, password: str) -> Row:
    try:
        return log_in(server, handle, password)
    except XrpcError as error:
        if error.code == "AuthenticationRequired":
            message = _("%(server)s does not know this handle with this app password.")
            raise ConnectError(("password", str(message) % {"server": server})) from error
        if error.code == "AuthFactorTokenRequired":
            message = _("This is the main password of the account. Create an app password and "
                        "enter it here.")  # fmt: skip
            raise ConnectError(("password", str(message))) from error
        raise ConnectError(("handle" if error.permanent else "server", error.message)) from error
    except ChannelError as error:
        raise ConnectError(("server", error.message)) from error


def _pds(answer: Row, server: str) -> str:
    """Return the address of the account's own server from its DID document."""
    document = answer.get("didDoc")
    services: Any = document.get("service") if isinstance(document, dict) else None
    for service in services if isinstance(services, list) else []:
        if isinstance(service, dict) and str(service.get("id", "")).endswith("#atproto_pds"):
            try:
                return encrypted_or_local(str(service.get("serviceEndpoint", "")))
            except ChannelError as error:
                raise ConnectError(("server", error.message)) from error
    return server


CONNECTOR = Connector(
    label=_("Bluesky"),
    title=_("Connect a Bluesky account"),
    about=_(
        "Mentions, replies and quotes arrive in the inbox, and direct messages if the app password "
        "allows it. Posts and replies appear under this account."
    ),
    form=BlueskyForm,
    connect=connect,
    renew=renew,
)
