"""Connect one of our accounts: log in, refuse an account that is already connected, then save."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from crm.models import Account, User
from scrm.channels.base import Connected, ConnectError, Connector, Json


def log_in(account: Account, connector: Connector, typed: Json, *, test: bool) -> Connected:
    """Log in with the typed values and save nothing. Raises ConnectError.

    account: the account to connect again, or a new account that is not saved yet.
    """
    known = account.credentials if account.pk else None
    # Outside any transaction: a login takes seconds.
    connected = connector.connect(typed, known, test=test)
    same = Account.objects.filter(network=connected.network).defer("secrets")
    # On a network of our own, for example a blog, all logins belong to one account.
    if not account.channel.own_ground:
        same = same.filter(self_key=connected.self_key)
    if other := same.exclude(pk=account.pk).first():
        message = _("“%(name)s” already uses this account. Open that account instead.")
        raise ConnectError(("", message % {"name": other}))
    if account.pk and not same.exists():
        raise ConnectError(("", _("This is a different account. Connect it as a new one.")))
    return connected


def save(account: Account, connected: Connected, *, owner: User) -> Account:
    """Save an account whose login works. Raises ConnectError if a colleague was faster."""
    fields: dict[str, Any] = {
        "network": connected.network,
        "self_key": connected.self_key,
        "address": connected.address[:500],
        "secrets": dict(connected.secrets),
        "owner": owner,
    }
    if connected.sources_to_open:  # if empty, keep the sources that are still to be opened
        fields["sources_to_open"] = dict(connected.sources_to_open)
    if not account.pk:  # an existing account keeps the name that staff gave it
        fields["name"] = connected.name[:200]
    # The unique constraint decides: a colleague may connect the account after log_in() checked.
    try:
        with transaction.atomic():
            return account.keep_with(connected.config, **fields)
    except IntegrityError as error:
        message = _("Another user has just connected this account. Nothing was saved.")
        raise ConnectError(("", message)) from error
