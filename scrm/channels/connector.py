"""How an account is connected: the form that an admin fills in, and what a login returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from django import forms
from django.utils.functional import Promise

from scrm.channels.base import Credentials, Json


class ConnectForm(forms.Form):
    """The form with which an admin connects an account. Its first field names the account.

    Fields called `sender` and `signature` start with the values of the organisation.
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
        """Fill in the stored settings of an account, but never its password."""

    def rows(self) -> list[list[forms.BoundField]]:
        """Return all fields, grouped by the lines on which they are shown."""
        line_of = {name: line for line in self.lines for name in line}
        rows = dict.fromkeys(line_of.get(name, (name,)) for name in self.fields)
        return [[self[name] for name in row if name in self.fields] for row in rows]


class ConnectError(Exception):
    """The reasons why an account cannot be connected.

    errors: pairs of a field name and a sentence; the name "" stands for the form's first field.
    """

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(" ".join(message for _, message in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Connected(Credentials):
    """The result of a login that works: everything to store about the account.

    name: the name on screen. sources_to_open: maps the address of each new source to its name.
    """

    name: str = ""
    sources_to_open: Mapping[str, str] = field(default_factory=dict)


class Connect(Protocol):
    def __call__(self, typed: Json, known: Credentials | None, *, test: bool) -> Connected:
        """Log in with the typed settings. Changes nothing on the network. Raises ConnectError.

        typed: the cleaned data of the form. known: the account that is connected again, or None.
        test: log in even if no setting of the login changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Connector:
    """The part of a channel that connects an account.

    label: the name of the kind of account. title: the heading of the page on which an account is
    connected. about: the text there that says what connecting does.
    """

    label: str | Promise
    title: str | Promise
    about: str | Promise
    form: type[ConnectForm]
    connect: Connect
