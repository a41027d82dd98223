"""Connect a blog: the form, the login, and the check that the user has enough rights."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.connector import Connected, ConnectError, ConnectForm, Connector
from scrm.channels.permalink import site_scope
from scrm.channels.wordpress.site import Site, find_api
from scrm.text.clean import plain

_NEEDED = {
    "publish_posts": "publish posts",
    "edit_published_posts": "edit published posts",
    "moderate_comments": "moderate comments",
}


class BlogForm(ConnectForm):
    """The form for the address and the login of a blog."""

    address = forms.CharField(
        label=_("Blog address"),
        max_length=500,
        help_text=_("The home page of the blog, such as blog.example."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    user = forms.CharField(
        label=_("WordPress user name"),
        max_length=200,
        help_text=_("A user with the editor role. Posts and replies appear under this user."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("Application password"),
        max_length=200,
        help_text=_("Create it in WordPress under Users → Profile → Application Passwords. "
                    "It is not the login password. It is stored encrypted and never shown again."),
        widget=forms.PasswordInput(render_value=True, attrs={"autocomplete": "off"}),
    )  # fmt: skip

    def show(self, known: Credentials) -> None:
        self.initial.update(address=known.address, user=known.secrets.get("user", ""))


def connect(typed: Json, known: Credentials | None, *, test: bool = False) -> Connected:  # noqa: ARG001
    """Find the blog, log in, and return the data of the account. Raises ConnectError.

    The `self_key` of the account is the key of the WordPress user, who is the author of our
    comments.
    """
    address, user, password = typed["address"], typed["user"].strip(), typed["password"].strip()
    try:
        api = find_api(address)
        index = Site(api).get("").row
    except ChannelError as error:
        raise ConnectError(("address", error.message)) from error
    _require_app_passwords(index, api)
    site = Site(api, user, password)
    me = _me(site)
    home = str(index.get("home") or index.get("url") or address)
    return Connected(
        network=site_scope(home),
        self_key=f"user-{int(me['id'])}",
        address=home,
        name=plain(str(index.get("name", ""))) or site.host,
        secrets={"user": user, "password": password},
        config={"api": api},
        # A known blog has a source already: even if it now states another home, it must not be
        # fetched twice.
        sources_to_open={} if known else {home: f"WordPress: {home}"},
    )


def _require_app_passwords(index: dict[str, Any], api: str) -> None:
    """Raise ConnectError if the blog does not offer application passwords.

    WordPress offers application passwords only over https.
    """
    offered = index.get("authentication")
    if not (isinstance(offered, dict) and offered.get("application-passwords")):
        needs = "" if api.startswith("https:") else " They are only available over https."
        message = f"This blog does not offer application passwords.{needs}"
        raise ConnectError(("address", message))


def _me(site: Site) -> dict[str, Any]:
    """Log in and return the user. Raises ConnectError if the user lacks a right that scrm needs."""
    try:
        answer = site.get("users/me", context="edit")
    except ChannelError as error:
        field = "password" if error.permanent else "address"
        raise ConnectError((field, error.message)) from error
    try:
        me = answer.row
    except ChannelError as error:
        raise ConnectError(("user", error.message)) from error
    rights = me.get("capabilities") or {}
    missing = [words for name, words in _NEEDED.items() if not rights.get(name)]
    if missing:
        lacks = f"{me.get('name')} may not {' or '.join(missing)} there."
        raise ConnectError(("user", f"{lacks} Use a user with the editor role."))
    return me


CONNECTOR = Connector(
    label=_("WordPress blog"),
    title=_("Connect a WordPress blog"),
    about=_(
        "Posts are published on the blog, its comments arrive in the inbox, and replies appear "
        "below the comments."
    ),
    form=BlogForm,
    connect=connect,
)
