"""Record answers that users gave outside scrm: by phone, by letter, or on the network by hand."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from crm.interaction_details import LetterDetails
from crm.ledger import lock_workspace
from crm.models import Account, PostalAddress, User
from responses.compose import Words, once, write_down
from responses.models import Delivery, Response
from responses.outbox import mark_sent
from routing.models import Case
from scrm.channels.base import Receipt


def log_by_hand(
    case: Case,
    words: Words,
    *,
    account: Account,
    by: User,
    receipt: Receipt | None = None,
    letter: LetterDetails | None = None,
) -> Response:
    """Record a reply that a user gave outside scrm. The reply counts as sent.

    `receipt` has the keys of a post that the user published on the network of the account, so that
    answers to the post are found. It is None for a reply by phone, on paper or in person.
    `letter` has the facts of a letter. Its address is kept for the next letter to the party.
    """

    def write() -> Response:
        now = timezone.now()
        lock_workspace()  # before any row: every writer of the ledger locks in this order
        facts = {"state": "released", "released_at": now, "visibility": words.visibility}
        response = write_down(words, by=by, case=case, **facts)
        delivery = Delivery.objects.create(
            response=response,
            account=account,
            destination=case.profile.key,
            profile=case.profile,
        )
        details = letter.stored() if letter else {}
        keys = receipt or Receipt(account.network, str(delivery.uuid), details=details)
        mark_sent(delivery, keys, now=now)
        if letter:
            source = _("Our letter in case #%d") % case.pk
            PostalAddress.keep(case.profile, letter.address, source=source, by=by)
        return response

    return once(words, write)
