"""The accounts of a department that can send texts, and how they can send them."""

from __future__ import annotations

from crm.models import Account, Department
from responses.models import Response


def visibilities(account: Account) -> tuple[str, ...]:
    """Return the visibilities with which an account can send texts.

    The configuration of the account overrides the visibilities of its channel.
    """
    return tuple(account.config.get("visibilities", account.channel.visibilities))


def titled(account: Account) -> bool:
    """Return whether texts from this account are published with a title."""
    shows: bool = account.config.get("titles", account.channel.titles)
    return shows


def speaking_accounts(department: Department) -> list[Account]:
    """Return the department's active accounts whose channels can send texts."""
    accounts = department.accounts.active().order_by("name")
    return [account for account in accounts if account.channel.speaker]


def public_accounts(department: Department) -> list[Account]:
    """Return the department's active accounts that can publish texts."""
    public = Response.Visibility.PUBLIC
    accounts = speaking_accounts(department)
    return [account for account in accounts if public in visibilities(account)]
