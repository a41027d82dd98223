"""The further recipients of a mail, beside the person to whom it is delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responses.models.delivery_state import DeliveryState
from scrm.channels.email.people import address_of

if TYPE_CHECKING:
    from responses.models.delivery import Delivery


def copies_of(delivery: Delivery) -> tuple[str, ...]:
    """Return the addresses to which this delivery also goes.

    If it replaces a delivery that bounced, they have got the mail already.
    """
    copies = tuple(delivery.response.copies) if delivery.account.channel.copies else ()
    had_them = copies and delivery.replaces and delivery.replaces.state == DeliveryState.BOUNCED
    return () if had_them else copies


def recipient_facts(delivery: Delivery) -> dict[str, Any]:
    """Return the recipients of a mail with copies, as `MailDetails` of the ledger reads them."""
    if not (copies := copies_of(delivery)):
        return {}
    to = [[address_of(delivery.destination), str(delivery.profile or "")]]
    return {"mail": {"to": to, "cc": [[address, ""] for address in copies]}}
