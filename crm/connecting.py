"""Connect one of our accounts: log in, refuse what is connected already, then save."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from crm.models import Account, User
from scrm.channels.base import Connected, ConnectError, Connector, Json


def log_in(account: Account, connector: Connector, typed: Json, *, test: bool) -> Connected:
    """Log in with what was typed; saves nothing. Raises ConnectError.

    account: the account that is connected again, or an unsaved one of the kind.
    """
    known = account.credentials if account.pk else None
    connected = connector.connect(typed, known, test=test)
    same = Account.objects.filter(network=connected.network).defer("secrets")
    if not account.channel.own_ground:
        same = same.filter(self_key=connected.self_key)
    if twin := same.exclude(pk=account.pk).first():
        said = _("“%(name)s” already uses this account. Open that account instead.")
        raise ConnectError(("", said % {"name": twin}))
    if account.pk and not same.exists():
        raise ConnectError(("", _("This is a different account. Connect it as a new one.")))
    return connected


def save(account: Account, connected: Connected, *, owner: User) -> Account:
    """Save an account whose login works. Raises ConnectError if a colleague was faster."""
    facts: dict[str, Any] = {
        "network": connected.network,
        "self_key": connected.self_key,
        "address": connected.address[:500],
        "secrets": dict(connected.secrets),
        "owner": owner,
    }
    if connected.sources_to_open:  # else those that wait to be opened still wait
        facts["sources_to_open"] = dict(connected.sources_to_open)
    if not account.pk:  # later, staff choose the name
        facts["name"] = connected.name[:200]
    # The unique constraint decides: a colleague may have connected it after log_in looked.
    try:
        with transaction.atomic():
            return account.keep_with(connected.config, **facts)
    except IntegrityError as error:
        said = _("Another user has just connected this account. Nothing was saved.")
        raise ConnectError(("", said)) from error
