"""The part of an account's page with which an admin starts and stops events of its network."""

from __future__ import annotations

from typing import Any

from crm import events
from crm.models import Account


def events_part(account: Account, error: str = "") -> dict[str, Any]:
    """Return the template context of the events; it is empty if the network sends none."""
    if not account.pk or account.channel.events is None:
        return {}
    return {
        "events": {
            "address": events.address_of(account),
            "obstacle": events.obstacle(account),
            "error": error,
        }
    }
