"""The form with which an admin connects an account.

It has the fields of the channel's connector and a field for the owner of the account.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.models import Account, User, Workspace
from scrm.channels.connector import ConnectError, ConnectForm, Connector


def connect_form(connector: Connector, data: Any, *, account: Account) -> ConnectForm:
    initial: dict[str, Any] = {"owner": account.owner}
    if here := Workspace.objects.here():
        initial |= {"sender": here.organisation[:120], "signature": here.signature}
    known = account.credentials if account.pk else None
    form = connector.form(data, known=known, initial=initial)
    staff = User.objects.active().order_by("name")
    form.fields["owner"] = forms.ModelChoiceField(staff, label=_("Owner"), empty_label=None)
    return form


def show_errors(form: ConnectForm, error: ConnectError) -> None:
    """Add each error to its field. An error without a field is added to the first field."""
    first = next(iter(form.fields))
    for field, message in error.errors:
        form.add_error(field if field in form.fields else first, message)
