"""Connect an X account: the form with its three kinds of login, and the check of the login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.connector import (
    Authorization,
    Callback,
    Connected,
    ConnectError,
    ConnectForm,
    Connector,
)
from scrm.channels.x.client import API, APP_ONLY, Answer, XClient, encrypted_or_local, is_plain
from scrm.channels.x.listen import MENTIONS, MESSAGES, QUOTES, open_to
from scrm.channels.x.oauth import authorization, exchange, renew
from scrm.channels.x.read import NETWORK, id_of

LONG_POST = 25_000
_KEYS = ("api_key", "api_key_secret", "access_token", "access_token_secret")
_NEEDED = {"oauth1": _KEYS, "oauth2": ("client_id",), "app": ("bearer_token",)}
_USED = {**_NEEDED, "oauth2": ("client_id", "client_secret")}
_SECRET = (*_KEYS, "client_secret", "bearer_token")
_SETTINGS = ("login", "access", "api", "client_id")


def _secret(label: Any, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(render_value=True, attrs={"autocomplete": "off"})
    return forms.CharField(
        label=label, max_length=500, required=False, widget=widget, help_text=help_text
    )


class XForm(ConnectForm):
    """The login of an X account. Only the fields of the chosen kind of login are needed."""

    lines = (_KEYS[:2], _KEYS[2:], ("client_id", "client_secret"))

    login = forms.ChoiceField(
        label=_("Login"),
        choices=(
            ("oauth2", _("Log in on X (OAuth 2.0)")),
            ("oauth1", _("Keys of the app and the account (OAuth 1.0a)")),
            ("app", _("Bearer token of the app (only searches)")),
        ),
        help_text=_(
            "The values for each login are in X's developer console, under Keys and tokens."
        ),
    )
    client_id = forms.CharField(
        label=_("Client ID"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    client_secret = _secret(_("Client secret"), _("Leave empty if the app has none."))
    api_key = _secret(_("API key"))
    api_key_secret = _secret(_("API key secret"))
    access_token = _secret(_("Access token"))
    access_token_secret = _secret(_("Access token secret"))
    bearer_token = _secret(_("Bearer token"))
    access = forms.ChoiceField(
        label=_("Access"),
        choices=(("self-serve", _("Self-serve")), ("enterprise", _("Enterprise"))),
        help_text=_("Self-serve apps may reply only to people who mentioned or quoted us."),
    )
    long_posts = forms.BooleanField(
        label=_("Long posts"),
        required=False,
        help_text=_("For accounts with X Premium: up to 25,000 characters instead of 280."),
    )
    api = forms.CharField(label=_("API address"), max_length=300, initial=API)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # static/js/connect_fields.js shows only the fields of the chosen login.
        self.fields["login"].widget.attrs["data-chooses"] = ""
        for login, names in _USED.items():
            for name in names:
                self.fields[name].widget.attrs["data-only"] = login

    def show(self, known: Credentials) -> None:
        self.initial.update({name: known.config.get(name) for name in _SETTINGS})
        self.initial["long_posts"] = known.config.get("max_length") == LONG_POST
        for name in _SECRET:
            if known.secrets.get(name):
                self.fields[name].help_text = _("Leave empty to keep the stored value.")
        self._stored = {name for name in _SECRET if known.secrets.get(name)}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in _NEEDED.get(cleaned.get("login", ""), ()):
            if not cleaned.get(name) and name not in getattr(self, "_stored", ()):
                self.add_error(name, _("This kind of login needs this value."))
        for name in (*_SECRET, "client_id"):
            if not is_plain(cleaned.get(name)):
                message = _("No key of X contains accents or other special signs. Copy it again.")
                self.add_error(name, message)
        return cleaned


def connect(typed: Json, known: Credentials | None, *, test: bool = False) -> Connected:  # noqa: ARG001
    """Log in with keys or with the token of an app."""
    login, config = str(typed["login"]), _config(typed)
    stored = known.secrets if known and known.config.get("login") == login else {}
    if login == "oauth2":
        if not stored.get("access_token"):
            raise ConnectError(("login", "Log in on X to connect this account."))
        secrets = dict(stored)
        config["client_id"] = (known or Credentials("")).config.get("client_id", "")
    else:
        secrets = {name: typed.get(name) or stored.get(name, "") for name in _NEEDED[login]}
    if login == "app":
        return _connect_app(secrets, config)
    sources = (known.config.get("sources") or None) if known and login == "oauth2" else None
    return _connect_user(secrets, config, known, sources)


class XOAuth:
    """The login on X's own page."""

    def start(
        self, typed: Json, known: Credentials | None, callback: Callback
    ) -> Authorization | None:
        if typed["login"] != "oauth2":
            return None
        kept = {name: str(typed.get(name) or "") for name in ("access", "client_id")}
        kept["api"] = str(_config(typed)["api"])
        kept["client_secret"] = str(
            typed.get("client_secret") or (known.secrets.get("client_secret", "") if known else "")
        )
        kept["long_posts"] = "yes" if typed.get("long_posts") else ""
        return authorization(kept["api"], kept["client_id"], callback, kept)

    def finish(
        self, answer: Mapping[str, str], kept: Json, known: Credentials | None, callback: Callback
    ) -> Connected:
        tokens = exchange(answer, kept, callback)
        secrets = dict(tokens.secrets)
        if kept.get("client_secret"):
            secrets["client_secret"] = str(kept["client_secret"])
        config = {**_config({**kept, "login": "oauth2"}), "client_id": str(kept["client_id"])}
        sources = [MENTIONS, QUOTES]
        if not tokens.scopes or "dm.read" in tokens.scopes:
            sources.append(MESSAGES)
        return _connect_user(secrets, config, known, sources, expires_at=tokens.expires_at)


def _config(typed: Json) -> dict[str, Any]:
    try:
        api = encrypted_or_local(str(typed.get("api") or API))
    except ChannelError as error:
        raise ConnectError(("api", error.message)) from error
    config = {"login": typed["login"], "access": typed.get("access") or "self-serve", "api": api}
    if typed["login"] != "oauth1":
        config["events"] = None  # other logins have no key with which X signs events
    return config | ({"max_length": LONG_POST} if typed.get("long_posts") else {})


def _connect_user(
    secrets: dict[str, Any], config: dict[str, Any], known: Credentials | None,
    sources: list[str] | None, *, expires_at: Any = None,
) -> Connected:  # fmt: skip
    """Ask X who logged in. sources: the sources the login can read; None to ask X that too."""
    answer = _me(secrets, config)
    number, handle = id_of(answer.row["id"]), str(answer.row.get("username") or "")
    if known and known.self_key not in ("", number):
        message = (
            f"This is the login of @{handle}, but this account is {known.address}. Connect the "
            "other account as a new one."
        )
        raise ConnectError(("", message))
    if sources is None:
        # X names the permission of the keys, for example "read-write-directmessages".
        private = not answer.access or "directmessages" in answer.access
        sources = [MENTIONS, QUOTES, *([MESSAGES] if private else [])]
    found = Connected(
        network=NETWORK,
        self_key=number,
        address=f"@{handle}",
        secrets=secrets,
        config={**config, "handle": handle, "sources": sources},
        name=str(answer.row.get("name") or handle)[:200],
        expires_at=expires_at,
    )
    return replace(found, sources_to_open=open_to(found))


def _me(secrets: dict[str, Any], config: dict[str, Any]) -> Answer:
    """Return the user who logged in, with a valid id. Raises ConnectError."""
    try:
        answer: Answer = XClient(secrets, api=config["api"]).get_me()
        id_of(answer.row.get("id"))
    except ChannelError as error:
        raise ConnectError((_NEEDED[config["login"]][-1], error.message)) from error
    except ValueError as error:
        raise ConnectError(("", "X did not say whose login this is. Try again later.")) from error
    return answer


def _connect_app(secrets: dict[str, Any], config: dict[str, Any]) -> Connected:
    """Check the token of an app with a request that is free of charge."""
    try:
        XClient(secrets, api=config["api"]).request("GET", "/2/usage/tweets")
    except ChannelError as error:
        raise ConnectError(("bearer_token", error.message)) from error
    # The token names no user, and it changes when it is made again, so the key is a fixed text.
    return Connected(
        network=NETWORK,
        self_key=APP_ONLY,
        secrets=secrets,
        config={**config, "visibilities": []},
        name="X search",
    )


CONNECTOR = Connector(
    label=_("X account"),
    title=_("Connect an X account"),
    about=_(
        "Mentions, replies, quotes and direct messages arrive in the inbox. Posts, replies and "
        "direct messages are sent from there. X charges for every post that is read or sent. "
        "Messages of X Chat do not arrive, because they are encrypted. Group conversations can be "
        "read but not answered. With the bearer token of an app, only searches work."
    ),
    form=XForm,
    connect=connect,
    oauth=XOAuth(),
    renew=renew,
)
