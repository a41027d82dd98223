"""Like the messages of thanks of a case on their networks, where the network can do that."""

from __future__ import annotations

from django.utils.translation import gettext as _

from crm.models import Account, Interaction, User
from responses.models import Moderation
from responses.models.response import Refused
from responses.moderation import (
    account_for,
    moderate,
    moderating_accounts,
    possible_actions,
    rights_in,
)
from responses.moderation_actions import ACTIONS
from routing import pending_thanks
from routing.models import Case
from routing.models.status import Stale

LIKE = ACTIONS["like"]


def like_or_dismiss(case: Case, *, by: User) -> None:
    """Like each message of thanks if its network can do that, and dismiss all that were liked.

    Messages of other networks are dismissed only. Raises Stale if the network refuses a like; the
    messages before it stay liked. Do not call this function in a transaction.
    """
    accounts = moderating_accounts(case) if LIKE.allowed_to(rights_in(case, by)) else []
    for message in pending_thanks.messages(case):
        account = _account_to_like(message, accounts)
        if account:
            _like(message, account, case=case, by=by)
        pending_thanks.settle(case, [message], by=by, why=_("Liked") if account else "")


def can_like(case: Case, user: User) -> bool:
    """Return whether a message of thanks of the case can be liked on its network."""
    accounts = moderating_accounts(case) if LIKE.allowed_to(rights_in(case, user)) else []
    return any(_account_to_like(message, accounts) for message in pending_thanks.messages(case))


def _account_to_like(message: Interaction, accounts: list[Account]) -> Account | None:
    account = account_for(message, accounts)
    return account if account and LIKE in possible_actions(message, account) else None


def _like(message: Interaction, account: Account, *, case: Case, by: User) -> None:
    try:
        row = moderate(message, LIKE, case=case, account=account, by=by, reason="")
    except Refused as refusal:
        raise Stale(str(refusal)) from None
    if row.state == Moderation.State.FAILED:
        raise Stale(_("The network refused the like: %s") % row.error)
