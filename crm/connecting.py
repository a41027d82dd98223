"""Connect one of our accounts: log in, refuse an account that is already connected, then save."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
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
    same = _same_account(account, connected)
    if other := same.exclude(pk=account.pk).first():
        message = _("“%(name)s” already uses this account. Open that account instead.")
        raise ConnectError(("", message % {"name": other}))
    if account.pk and not same.exists():
        raise ConnectError(("", _("This is a different account. Connect it as a new one.")))
    return connected


def _same_account(account: Account, connected: Connected) -> QuerySet[Account]:
    """Stored accounts that are the one to which the login worked."""
    same = Account.objects.filter(network=connected.network).defer("secrets")
    # On a network of our own, for example a blog, all logins belong to one account.
    if account.channel.own_ground:
        return same
    return same.filter(self_key=connected.self_key)


def save(account: Account, connected: Connected, *, owner: User) -> Account:
    """Save an account whose login works. Raises ConnectError if a colleague was faster."""
    fields: dict[str, Any] = {
        "network": connected.network,
        "self_key": connected.self_key,
        "address": connected.address[:500],
        "owner": owner,
    }
    # If no new login was typed, a colleague may have stored another one during the test.
    if connected.secrets != account.secrets:
        fields["secrets"] = dict(connected.secrets)
    if connected.sources_to_open:  # if empty, keep the sources that are still to be opened
        fields["sources_to_open"] = dict(connected.sources_to_open)
    if not account.pk:  # an existing account keeps the name that staff gave it
        fields["name"] = connected.name[:200]
    # The unique constraint decides where an account is also saved without this function.
    try:
        with transaction.atomic():
            _wait_for_turn(connected.network)
            # Again, after log_in(): a colleague may have connected the account during the test.
            if _same_account(account, connected).exclude(pk=account.pk).exists():
                raise IntegrityError(connected.network)
            return account.keep_with(connected.config, **fields)
    except IntegrityError as error:
        message = _("Another user has just connected this account. Nothing was saved.")
        raise ConnectError(("", message)) from error


def _wait_for_turn(network: str) -> None:
    """Until the commit, no other account of this network can be saved by `save`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"connect {network}"])
