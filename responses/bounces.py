"""Store bounces and delay notices with the delivery, its case and the recipient's profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from crm.ledger import lock_workspace
from responses.models import Delivery
from responses.models.delivery_state import DeliveryState
from responses.outbox import nonce_in, prove
from routing.models import CaseEvent, ItemDecision
from routing.models.status import Status
from routing.unsent_answer import recompute_with_newer
from scrm.channels.base import BOUNCE, Item
from scrm.channels.email.people import address_of

_RESTING = {Status.WAITING, Status.SNOOZED, Status.DONE}


@transaction.atomic
def come_back(items: Sequence[Item], *, now: datetime) -> None:
    """Store the bounces and delay notices among these items.

    `Item.kind` is BOUNCE for a bounce and NOTICE for a delay notice. A second call with the same
    items changes nothing.
    """
    named = [(nonce, item) for item in items if (nonce := nonce_in(item.in_reply_to))]
    if not named:
        return
    ours = Delivery.objects.filter(uuid__in=[nonce for nonce, _bounce in named])
    lock_workspace()  # before any row: every writer of the ledger locks in this order
    # All deliveries and their cases are locked at once, so that the order of locks is kept.
    ours.lock()
    # This is done first: a bounce proves that an unknown delivery was sent, and only a delivery
    # that was sent can become bounced.
    prove(items, now=now)
    sent = ours.filter(state=DeliveryState.SENT)
    deliveries = sent.select_related("response__case", "account", "profile").in_bulk(
        field_name="uuid"
    )
    for nonce, item in named:
        if delivery := deliveries.get(nonce):
            for address in item.details.get("recipients", [item.author.key]):
                _apply(delivery, address, item, now)


def _apply(delivery: Delivery, address: str, item: Item, now: datetime) -> None:
    """Store that the mail did not reach this address, or reaches it late."""
    if address in delivery.copies:
        _copy_failed(delivery, address, item, now)
    elif delivery.copies and address != address_of(delivery.destination):
        _unclear(delivery, address, item, now)
    elif item.kind == BOUNCE:
        _bounced(delivery, item.text, now)
    else:
        _late(delivery, item.text, now)


def _bounced(delivery: Delivery, why: str, now: datetime) -> None:
    # Compare-and-set: a bounce that arrives twice counts once.
    if not delivery.come_back(why):
        return
    recipient = delivery.profile or delivery.destination
    if delivery.profile:
        delivery.profile.cannot_be_reached(why, now=now)
    case = delivery.response.case
    if case is None:
        return
    case = case.survivor
    message = f"The delivery to {recipient} bounced: {why}"
    if delivery.interaction_id:
        # They never received the answer, so their messages are unanswered again. The decisions
        # may belong to a case that was merged since.
        settled = ItemDecision.objects.filter(answered_by=delivery.interaction_id)
        settled.withdraw(by=None, now=now)
    # The case is not reopened if the conversation now belongs to a newer case.
    if case.status in _RESTING and not case.newer:
        case.reopen(by=None, why=message)
    else:
        case.log(
            CaseEvent.Kind.ANSWERED, by=None, why=message, now=now, response=delivery.response_id
        )
        recompute_with_newer(case, case.newer)


def _copy_failed(delivery: Delivery, address: str, item: Item, now: datetime) -> None:
    """Record that a further recipient did not get the mail, or gets it late.

    The delivery stays as it is: its own recipient has got the mail.
    """
    what = "The copy to %s bounced: %s" if item.kind == BOUNCE else "The copy to %s is delayed: %s"
    _log_once(delivery, what % (address, item.text), now)


def _unclear(delivery: Delivery, address: str, item: Item, now: datetime) -> None:
    """Record that one of several recipients did not get the mail, and that it is unclear which one.

    address: an address in the bounce to which the mail was not sent, or "".
    """
    people = ", ".join((address_of(delivery.destination), *delivery.copies))
    if item.kind == BOUNCE:
        what = (
            "This email bounced for one of its recipients (%s), but the bounce does not say "
            "which one: %s"
        )
        to_do = "Check the addresses, and ask the recipients whether they got it."
    else:
        what = "This email is delayed for one of its recipients (%s): %s"
        to_do = "The mail server keeps trying."
    named = f" The bounce names {address}, which is not one of them." if address else ""
    reason = item.text if item.text.endswith(".") else f"{item.text}."
    _log_once(delivery, f"{what % (people, reason)}{named} {to_do}", now)


def _late(delivery: Delivery, why: str, now: datetime) -> None:
    """Record on the delivery, and in the history of its case, that the delivery is delayed.

    The state of the delivery does not change, because the receiving server keeps trying.
    """
    message = f"Not delivered yet: {why}"
    if delivery.error != message and _log_once(delivery, message, now):
        delivery.error = message
        Delivery.objects.filter(pk=delivery.pk).update(error=message)


def _log_once(delivery: Delivery, message: str, now: datetime) -> bool:
    """Add an event to the case; return False if the case has it already.

    A notice can arrive several times: servers repeat notices, and a batch that failed is run again.
    """
    response = delivery.response
    case = response.case and response.case.survivor
    if CaseEvent.objects.filter(case=case, data__response=response.pk, why=message).exists():
        return False
    if case:
        case.log(CaseEvent.Kind.ANSWERED, by=None, why=message, now=now, response=response.pk)
    return True
