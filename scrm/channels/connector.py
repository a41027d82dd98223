"""How an account is connected: the form that an admin fills in, and the result of the login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from django import forms
from django.utils.functional import Promise

from scrm.channels.base import Credentials, Json


class ConnectForm(forms.Form):
    """The form with which an admin connects an account.

    The first field identifies the account. Fields called `sender` and `signature` are prefilled
    with the name and the signature of the organisation.
    known: the account that is connected again, or None for a new account.
    lines: groups of fields that are shown side by side.
    """

    lines: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init__(
        self, data: Any = None, *, known: Credentials | None = None, initial: Json | None = None
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        if known:
            self.show(known)

    def show(self, known: Credentials) -> None:
        """Fill in the stored settings of an account, but never its password.

        This method does nothing here; the forms of the channels override it.
        """

    def rows(self) -> list[list[forms.BoundField]]:
        """Return all fields as rows. The fields of one group in `lines` are in the same row."""
        line_of = {name: line for line in self.lines for name in line}
        rows = dict.fromkeys(line_of.get(name, (name,)) for name in self.fields)
        return [[self[name] for name in row if name in self.fields] for row in rows]


class ConnectError(Exception):
    """Raised if an account cannot be connected, with the reasons.

    errors: pairs of a field name and a sentence; the name "" stands for the form's first field.
    """

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(" ".join(message for _, message in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Connected(Credentials):
    """The result of a successful login: the data to store about the account.

    name: the name on screen.
    sources_to_open: address → name of each new source.
    expires_at: the time at which the secrets stop working unless they are renewed; None if never.
    """

    name: str = ""
    sources_to_open: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None


class Connect(Protocol):
    def __call__(self, typed: Json, known: Credentials | None, *, test: bool) -> Connected:
        """Log in with the typed settings. Raises ConnectError.

        Nothing is changed on the network.
        typed: the cleaned data of the form. known: the account that is connected again, or None.
        test: log in even if no setting of the login has changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Callback:
    """Our page to which the network sends the user back during an OAuth login.

    url: the address of the page.
    state: a random value that the network must return unchanged.
    """

    url: str
    state: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """The result of the first half of an OAuth login.

    url: the page of the network on which the user allows access.
    kept: values that the second half needs, for example a PKCE verifier. They are stored encrypted
    and can be used within ten minutes.
    """

    url: str
    kept: Json = field(default_factory=dict, repr=False)


class OAuth(Protocol):
    """A login on a page of the network, to which the user's browser is sent."""

    def start(
        self, typed: Json, known: Credentials | None, callback: Callback
    ) -> Authorization | None:
        """Return the page to which the user must go. Raises ConnectError.

        Returns None if the typed values suffice for the login.
        """
        ...

    def finish(
        self, answer: Mapping[str, str], kept: Json, known: Credentials | None, callback: Callback
    ) -> Connected:
        """Complete the login after the network has sent the user back. Raises ConnectError.

        answer: the parameters that the network added to the URL of our page.
        """
        ...


@dataclass(frozen=True, slots=True)
class Renewed:
    """New secrets of an account.

    expires_at: the time at which the new secrets stop working; None if never.
    """

    secrets: Json = field(repr=False)
    expires_at: datetime | None = None


class Renew(Protocol):
    def __call__(self, credentials: Credentials) -> Renewed:
        """Exchange the secrets of an account for new ones. Raises ChannelError.

        A permanent error means that a user must connect the account again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Connector:
    """The part of a channel that connects an account.

    label: the name of the kind of account.
    title: the heading of the page on which an account is connected.
    about: a text on that page that says what happens when an account is connected.
    oauth: None if the network has no login page for other programs.
    renew: None if the secrets do not expire.
    """

    label: str | Promise
    title: str | Promise
    about: str | Promise
    form: type[ConnectForm]
    connect: Connect
    oauth: OAuth | None = None
    renew: Renew | None = None
