"""The recipients of a mail that also goes to others than the person whom it answers."""

from __future__ import annotations

from responses.models import Delivery
from scrm.channels.base import Json
from scrm.channels.email.people import address_of


def recipient_facts(delivery: Delivery) -> Json:
    """Return the recipients of a mail with copies, as `MailDetails` of the ledger reads them."""
    if not delivery.copies:
        return {}
    to = [[address_of(delivery.destination), str(delivery.profile or "")]]
    return {"mail": {"to": to, "cc": [[address, ""] for address in delivery.copies]}}
