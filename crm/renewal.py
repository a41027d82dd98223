"""Renew the secrets of an account before they expire.

Many networks replace the secret with which secrets are renewed at each renewal. Therefore only one
worker renews an account at a time, and new secrets that a worker has received are never discarded
unless the account was connected again meanwhile.
"""

from __future__ import annotations

import traceback
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Account, Instance, Pause
from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.connector import Renew, Renewed
from scrm.db.locks import locked
from scrm.db.retry import again

_log = structlog.get_logger(__name__)
MARGIN = timedelta(minutes=5)
"""Secrets are renewed this long before they expire."""
LEASE = timedelta(seconds=60)
"""How long one worker may take. After a failure, the next attempt is made when the lease lapses."""
_LOGIN = ["secrets", "secrets_expire_at", "renewal_lease_until", "reconnect_asked_at"]


def fresh_credentials(account: Account) -> Credentials:
    """Return the credentials of an account. If its secrets expire soon, renew them first.

    Raises ChannelError if the secrets have expired and could not be renewed. As long as the stored
    secrets work, they are returned, even if they could not be renewed.

    Do not call this function inside a transaction. `account` gets the secrets that are stored at
    the end.
    """
    now = timezone.now()
    renew = account.renew
    if renew is None or not account.secrets_expire_at or account.secrets_expire_at > now + MARGIN:
        return account.credentials
    failure = _renew(account, renew) if _take_lease(account, now=now) else None
    account.refresh_from_db(fields=_LOGIN)
    if account.secrets_expire_at is None or account.secrets_expire_at > timezone.now():
        return account.credentials
    raise failure or _why_not(account)


def _take_lease(account: Account, *, now: datetime) -> bool:
    if _is_restored():
        return False
    # Compare-and-set: of several workers, only one gets the lease.
    free = Q(renewal_lease_until=None) | Q(renewal_lease_until__lte=now)
    due = Account.objects.filter(
        free, pk=account.pk, secrets_expire_at__lte=now + MARGIN, reconnect_asked_at=None
    )
    return bool(due.update(renewal_lease_until=now + LEASE))


def _is_restored() -> bool:
    """Whether this database may be a copy; then the secrets belong to the original database.

    If a copy renewed them, the original could lose its login.
    """
    restored = Pause.objects.restored().exists() or Instance.objects.moved().exists()
    return restored or Instance.objects.is_set_back()


def _renew(account: Account, renew: Renew) -> ChannelError | None:
    """Renew the secrets and store them. Return the error if that fails."""
    # Another worker may have renewed the secrets since this row was read.
    account.refresh_from_db(fields=_LOGIN)
    old = account.credentials
    # There is no transaction here: no row may be locked while the network answers.
    try:
        renewed = renew(old)
    except ChannelError as error:
        return _failed(account, error)
    except Exception as error:  # an error in one channel must not stop the work of the others
        # The message is not logged, because it may contain a secret.
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("renewal failed", account=account.pk, error=type(error).__name__, where=where)
        message = _("The login could not be renewed because of an error in scrm (%(error)s).")
        return ChannelError(message % {"error": type(error).__name__})
    again(lambda: _store(account.pk, old.secrets, renewed))
    return None


def _failed(account: Account, error: ChannelError) -> ChannelError:
    """Return the error that callers get if a channel could not renew the secrets.

    If the error is permanent, the owner of the account is notified.
    """
    # `uncertain` is left out: it is about sent texts, and nothing was sent.
    if not error.permanent:
        message = _("The login could not be renewed: %(reason)s")
        return ChannelError(message % {"reason": error.message}, retry_after=error.retry_after)
    _log.warning("account must be reconnected", account=account.pk, error=error.message)
    message = _("The login has ended: %(reason)s Reconnect the account under Accounts.")
    text = message % {"reason": error.message}
    account.ask_to_reconnect(text, now=timezone.now())
    return ChannelError(text, permanent=True)


@transaction.atomic
def _store(account: int, old: Json, renewed: Renewed) -> None:
    """Store new secrets, unless the old ones were replaced meanwhile.

    The lease is not checked: if this worker was suspended for longer than its lease, the secrets
    that it received may be the only ones that still work.
    """
    row = locked(Account.objects.filter(pk=account)).first()
    if row is None or row.secrets != old:
        return
    row.secrets, row.secrets_expire_at = dict(renewed.secrets), renewed.expires_at
    row.renewal_lease_until = row.reconnect_asked_at = None
    row.save(update_fields=_LOGIN)


def _why_not(account: Account) -> ChannelError:
    """Return the error for callers that could not get the lease."""
    if account.reconnect_asked_at:
        message = _("The login has ended. Reconnect the account under Accounts.")
        return ChannelError(message, permanent=True)
    if _is_restored():
        message = _("The login has expired. It is renewed when sending is allowed again.")
        return ChannelError(message)
    return ChannelError(_("The login has expired and is being renewed."), retry_after=5)
