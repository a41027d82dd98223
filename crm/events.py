"""Let the network of an account send us events, or stop it.

The configuration value `events` of an account is the id under which the network knows our address.
It exists only while the network sends events.
"""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from crm.models import Account
from crm.renewal import fresh_credentials
from scrm.channels.base import ChannelError


def address_of(account: Account) -> str:
    """Return the URL to which the network sends the events of this account."""
    return f"{settings.PUBLIC_URL}{reverse('listening:events', args=[account.uuid])}"


def obstacle(account: Account) -> str:
    """Return why the account cannot receive events; "" if it can."""
    events = account.channel.events
    return events.obstacle(account.credentials, address_of(account)) if events else ""


def start(account: Account) -> None:
    """Ask the network to send events. Raises ChannelError; then sources are polled as before.

    Do not call this function inside a transaction: the network calls our address meanwhile.
    """
    events = account.channel.events
    if events is None:
        raise ChannelError("This network sends no events.", permanent=True)
    if reason := obstacle(account):
        raise ChannelError(reason, permanent=True)
    account.keep_with({"events": events.start(fresh_credentials(account), address_of(account))})


def stop(account: Account) -> None:
    """Poll as before, and ask the network to send no more events.

    Raises ChannelError if the network did not confirm it; the sources are polled as before anyway.
    """
    events, registration = account.channel.events, account.config.get("events")
    if events is None or not registration:
        return
    account.keep_with({"events": None})
    events.stop(fresh_credentials(account), registration)
