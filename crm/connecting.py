"""Connect one of our accounts: test the login, refuse duplicates, then save the account."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from crm.models import Account, User
from crm.renewal import fresh_credentials
from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.connector import Connected, ConnectError, Connector


def log_in(account: Account, connector: Connector, typed: Json, *, test: bool) -> Connected:
    """Test the login with the typed values. Nothing is saved.

    Raises ConnectError in three cases: the login fails; another row already stores the account to
    which the login belongs; or a stored account is connected again with the login of a different
    account.
    account: a stored account that is connected again, or a new account that is not saved yet.
    """
    # This runs outside any transaction, because a login can take seconds.
    connected = connector.connect(typed, _known(account), test=test)
    check(account, connected)
    return connected


def _known(account: Account) -> Credentials | None:
    """Return the stored credentials of an account, renewed if that is necessary and possible."""
    if not account.pk:
        return None
    try:
        return fresh_credentials(account)
    except ChannelError:
        # A login that has ended is the usual reason to connect an account again.
        return account.credentials


def check(account: Account, connected: Connected) -> None:
    """Raise ConnectError if the login belongs to another account than `account`.

    Raises it also if the account is already stored in another row.
    """
    same = _same_account(account, connected)
    if other := same.exclude(pk=account.pk).first():
        message = _("“%(name)s” already uses this account. Open that account instead.")
        raise ConnectError(("", message % {"name": other}))
    if account.pk and not same.exists():
        raise ConnectError(("", _("This is a different account. Connect it as a new one.")))


def _same_account(account: Account, connected: Connected) -> QuerySet[Account]:
    """Return the stored rows of the account to which the login belongs."""
    same = Account.objects.filter(network=connected.network).defer("secrets")
    # On a network that consists only of our own pages, for example a blog, there is one account,
    # whatever login is used.
    if account.channel.own_ground:
        return same
    return same.filter(self_key=connected.self_key)


def save(
    account: Account, connected: Connected, *, owner: User, is_new_login: bool = False
) -> Account:
    """Save an account after its login was checked with `check`.

    Raises ConnectError if another user has connected the same account since then.
    is_new_login: whether to store the secrets although they equal the stored ones, because the
    network may have extended their lifetime.
    """
    fields: dict[str, Any] = {
        "network": connected.network,
        "self_key": connected.self_key,
        "address": connected.address[:500],
        "owner": owner,
    }
    # If no new login was typed, keep the stored one: another user may have changed it during the
    # test, or a worker may have renewed it.
    if is_new_login or connected.secrets != account.secrets:
        fields |= {
            "secrets": dict(connected.secrets),
            "secrets_expire_at": connected.expires_at,
            "renewal_lease_until": None,
            "reconnect_asked_at": None,
        }
    if connected.sources_to_open:  # if empty, keep the stored list
        fields["sources_to_open"] = dict(connected.sources_to_open)
    if not account.pk:  # an existing account keeps its name
        fields["name"] = connected.name[:200]
    # Code outside this function can save accounts too; then the unique constraint refuses
    # duplicates.
    try:
        with transaction.atomic():
            _wait_for_turn(connected.network)
            # Check again: another user may have connected the account after `check`.
            if _same_account(account, connected).exclude(pk=account.pk).exists():
                raise IntegrityError(connected.network)
            return account.keep_with(connected.config, **fields)
    except IntegrityError as error:
        message = _("Another user has just connected this account. Nothing was saved.")
        raise ConnectError(("", message)) from error


def _wait_for_turn(network: str) -> None:
    """Take the advisory lock of this network; the commit releases the lock.

    Until the commit, other calls of `save` for accounts of this network wait.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"connect {network}"])
