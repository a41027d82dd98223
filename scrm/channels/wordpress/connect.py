"""Connect a blog: find it, log in, check what the user may do there.

Errors name the field they concern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scrm.channels.base import ChannelError
from scrm.channels.permalink import site_scope
from scrm.channels.wordpress.site import Answer, Site, find_api
from scrm.text.clean import plain


class Trouble(Exception):
    """The reason why a blog cannot be connected. field: "address", "user" or "password"."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


@dataclass(frozen=True, slots=True)
class Blog:
    """A blog to which the login works. self_key: the key under which our own comments appear."""

    network: str
    self_key: str
    address: str
    title: str
    api: str


def connect(address: str, user: str, password: str) -> Blog:
    """Find the blog and log in; changes nothing there, so it can be repeated. Raises Trouble."""
    try:
        api = find_api(address)
        index = Site(api).get("").row
    except ChannelError as error:
        raise Trouble("address", error.message) from error
    _offers_passwords(index, api)
    site = Site(api, user.strip(), password.strip())
    try:
        answer = site.get("users/me", context="edit")
    except ChannelError as error:
        field = "password" if error.permanent else "address"
        raise Trouble(field, error.message) from error
    me = _me(answer)
    home = str(index.get("home") or index.get("url") or address)
    return Blog(
        network=site_scope(home),
        self_key=f"user-{int(me['id'])}",
        address=home,
        title=plain(str(index.get("name", ""))) or site.host,
        api=api,
    )


def _offers_passwords(index: dict[str, Any], api: str) -> None:
    """Raise Trouble if the blog offers no application passwords.

    Without https WordPress switches them off and does not list them.
    """
    offered = index.get("authentication")
    if not (isinstance(offered, dict) and offered.get("application-passwords")):
        needs = "" if api.startswith("https:") else " They are only available over https."
        raise Trouble("address", f"This blog does not offer application passwords.{needs}")


def _me(answer: Answer) -> dict[str, Any]:
    try:
        me = answer.row
    except ChannelError as error:
        raise Trouble("user", error.message) from error
    able = me.get("capabilities") or {}
    wanted = {
        "publish_posts": "publish posts",
        "edit_published_posts": "edit published posts",
        "moderate_comments": "moderate comments",
    }
    missing = [words for name, words in wanted.items() if not able.get(name)]
    if missing:
        raise Trouble(
            "user",
            f"{me.get('name')} may not {' or '.join(missing)} there. Use a user with the editor "
            "role.",
        )
    return me
