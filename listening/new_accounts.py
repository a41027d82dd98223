"""Create the sources of accounts that were connected recently."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from crm.models import Account
from listening.models import Source


def open_sources(*, now: datetime) -> None:
    """Create the sources that are named in `Account.sources_to_open`, for all active accounts.

    When an account is connected, its channel names these sources. This function creates them and
    then empties the field, so that a later call does not create them again.
    """
    # Do not read the secrets: this must work even if no key can decrypt them.
    asking = Account.objects.active().exclude(sources_to_open={}).defer("secrets")
    for account in asking.order_by("pk"):
        _open(account, now=now)


@transaction.atomic
def _open(account: Account, *, now: datetime) -> None:
    for address, name in account.sources_to_open.items():
        Source.objects.get_or_create(
            kind=account.kind,
            address=address,
            account=account,
            defaults={
                "name": name[:200],
                "stance": Source.Stance.FOR_US,
                "owner": account.owner,
                "rhythm": 60,
                "created_at": now,
            },
        )
    # Empty the field only if it is unchanged. If the account was connected again meanwhile, it may
    # ask for other sources now.
    unchanged = Account.objects.filter(pk=account.pk, sources_to_open=account.sources_to_open)
    unchanged.update(sources_to_open={})
