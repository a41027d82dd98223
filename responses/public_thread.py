"""The whole public thread beside a case, also the posts that no source has found.

The posts of the ledger are always shown. A user can fetch the others from the network; they are
stored in a `ThreadReading`, as context. Therefore they match no topic, open no case and count in no
report. See docs/decisions/0023-moderation.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm import spending
from crm.models import Account, Interaction, User
from crm.money import Priority, Refusal
from crm.renewal import fresh_credentials
from crm.spending import THREAD, Wanted
from responses.models import ThreadReading
from responses.moderation_panels import Panel, panels
from routing.case_page import public_thread
from routing.models import Case
from routing.models.status import Stale
from routing.party import party
from scrm.channels.base import ChannelError, Item, Usage
from scrm.channels.prices import MICRO
from scrm.text.clean import safe_url

_log = structlog.get_logger(__name__)
MAX_FETCHED = 100
"""The number of posts of a thread that are fetched, because some networks charge for each."""
MAX_SHOWN = 300


class Role(Enum):
    PARTY = "party"
    STAFF = "staff"
    OTHER = "other"

    @property
    def label(self) -> str:
        return str(_ROLES[self])


_ROLES = {Role.PARTY: __("This case"), Role.STAFF: __("Us"), Role.OTHER: __("Others")}


@dataclass(frozen=True, slots=True)
class Participant:
    """A person who wrote in the thread, or we. posts: how many of the shown posts they wrote."""

    name: str
    role: Role
    posts: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """One post of the thread.

    message: the post in the ledger; None if it was only fetched for this page.
    panel: the moderation of the post; None if nothing can be done.
    """

    at: datetime | None
    name: str
    role: Role
    text: str
    title: str = ""
    url: str = ""
    message: Interaction | None = None
    panel: Panel | None = None


@dataclass(frozen=True, slots=True)
class Fetchable:
    """A public thread of the case that one of our accounts can fetch.

    message: the newest message of the case in this thread.
    last: the last successful reading, or None.
    cost: the highest price of a fetch, in millionths of a US dollar; 0 if it is free of charge.
    """

    account: Account
    thread_key: str
    message: Interaction
    last: ThreadReading | None
    cost: int

    @property
    def name(self) -> str:
        """Return the identity of the thread for a form."""
        return f"{self.account.pk}:{self.thread_key}"

    @property
    def price(self) -> str:
        """Return the highest price in US dollars, for example “0.50”; "" if it is free."""
        return f"{Decimal(self.cost) / MICRO:.2f}" if self.cost else ""


def posts(case: Case, user: User) -> list[Said]:
    """Return the posts of the case's public threads, oldest first.

    Fetched posts that the ledger contains are left out: the ledger's row is shown, if the user may
    read it.
    """
    related = ("profile", "staff", "account", "conversation")
    messages = list(public_thread(case, user).select_related(*related)[:MAX_SHOWN])
    made, profiles = panels(case, user, messages), set(party(case).values_list("network", "key"))
    said = [_of_ledger(row, profiles, made.get(row.pk)) for row in messages]
    said += _fetched(case, profiles)
    oldest_first = sorted(said, key=lambda row: row.at or case.opened_at)
    return oldest_first[:MAX_SHOWN]


def participants(said: Iterable[Said]) -> list[Participant]:
    """Return who wrote in the thread: the party of the case first, then we, then the others."""
    counts: dict[tuple[Role, str], int] = {}
    for row in said:
        counts[row.role, row.name] = counts.get((row.role, row.name), 0) + 1
    rows = [Participant(name, role, number) for (role, name), number in counts.items()]
    return sorted(rows, key=lambda row: (list(Role).index(row.role), -row.posts, row.name))


def _of_ledger(row: Interaction, profiles: set[tuple[str, str]], panel: Panel | None) -> Said:
    profile = row.profile
    if row.is_ours:
        role, name = Role.STAFF, str(row.staff or row.account or _("We"))
    else:
        known = profile is not None and (profile.network, profile.key) in profiles
        role, name = Role.PARTY if known else Role.OTHER, str(profile)
    return Said(row.sort_at, name, role, row.text, row.title, row.url, row, panel)


def _fetched(case: Case, profiles: set[tuple[str, str]]) -> list[Said]:
    """Return the fetched posts that the ledger does not contain, each as it was fetched last."""
    newest: dict[tuple[str, str], tuple[Account, dict[str, Any]]] = {}
    for reading in case_readings(case):
        for post in reading.posts:
            newest[post["scope"], post["key"]] = (reading.account, post)
    known = Interaction.objects.filter(
        scope__in={scope for scope, _key in newest}, key__in={key for _scope, key in newest}
    )
    in_ledger = set(known.values_list("scope", "key"))
    return [
        _of_post(account, post, profiles)
        for identity, (account, post) in newest.items()
        if identity not in in_ledger
    ]


def case_readings(case: Case) -> list[ThreadReading]:
    """Return the last successful reading of each of the case's threads, oldest first."""
    found = ThreadReading.objects.filter(case=case, read_at__isnull=False)
    last = found.order_by("account_id", "thread_key", "-pk").distinct("account_id", "thread_key")
    rows = ThreadReading.objects.filter(pk__in=last.values("pk"))
    return list(rows.select_related("account", "by").order_by("pk"))


def _of_post(account: Account, post: dict[str, Any], profiles: set[tuple[str, str]]) -> Said:
    role = Role.OTHER
    if post["author_key"] == account.self_key:
        role = Role.STAFF
    elif (post["network"], post["author_key"]) in profiles:
        role = Role.PARTY
    at = datetime.fromisoformat(post["at"]) if post["at"] else None
    return Said(at, post["name"], role, post["text"], post["title"], safe_url(post["url"]))


def fetchable(case: Case, user: User) -> list[Fetchable]:
    """Return the public threads of the case that can be fetched, each with its newest message."""
    reading_accounts = {
        account.network: account
        for account in case.department.accounts.filter(is_active=True).order_by("-name", "-pk")
        if account.channel.threads
    }
    last = {(row.account_id, row.thread_key): row for row in case_readings(case)}
    inbound = public_thread(case, user).filter(
        direction="in",
        revises=None,
        scope__in=reading_accounts,
        conversation__in=case.conversations.values("pk"),
    )
    # A thread can have thousands of messages: the database chooses, and the ids come first.
    place = ("scope", "conversation__thread_key")
    newest = inbound.order_by(*place, "-pk").distinct(*place).values("pk")
    rows = Interaction.objects.filter(pk__in=newest).select_related("conversation").defer("html")
    return [
        _fetchable(reading_accounts[row.scope], row.conversation.thread_key, row, last)
        for row in rows.order_by("pk")
    ]


def _fetchable(
    account: Account,
    thread_key: str,
    message: Interaction,
    last: dict[tuple[int, str], ThreadReading],
) -> Fetchable:
    reading = last.get((account.pk, thread_key))
    cost = spending.price_of(account, _wanted(account))
    return Fetchable(account, thread_key, message, reading, cost)


def _wanted(account: Account) -> Wanted:
    """Return what fetching a thread may use at most: every post may be by another author."""
    return Wanted(THREAD, _usage(account, MAX_FETCHED, MAX_FETCHED), Priority.URGENT)


def _usage(account: Account, items: int, authors: int) -> Usage:
    """Return the paid operations of reading so many posts of a thread by so many authors."""
    channel = account.channel
    used = {channel.item_price: items, channel.author_price: authors}
    return {operation: uses for operation, uses in used.items() if operation and uses}


def fetch(case: Case, thread: Fetchable, *, by: User) -> ThreadReading:
    """Fetch the thread from its network, store it, and return the reading.

    The most that this can cost is booked before the network is asked. If the budget does not allow
    it, the network is not asked, and the reading has the reason as its error. Raises Stale if the
    thread was fetched a moment ago. Do not call this function in a transaction.
    """
    reading, account = _begin(case, thread, by), thread.account
    # Not in the transaction of `_begin`, which locks the case: workers lock the account first.
    booked = spending.reserve(account, _wanted(account), now=reading.at)
    if isinstance(booked, Refusal):
        continues = booked.continuation(_("It is renewed on %(when)s."))
        reading.error = f"{booked.reason(account)} {continues}"
        reading.save(update_fields=["error"])
        return reading
    used = _read(reading, thread)
    if booked:
        reading.cost = booked.prices.cost(used)
    reading.save(update_fields=["posts", "cost", "error", "read_at"])
    if booked:
        spending.settle(booked, used)
    return reading


def _read(reading: ThreadReading, thread: Fetchable) -> Usage:
    """Put the posts of the thread, or the error, into the reading; return what may be charged."""
    account, reader = thread.account, thread.account.channel.threads
    try:
        if reader is None:
            raise ChannelError(_("This network has no public threads."), permanent=True)
        login = fresh_credentials(account)
        items = reader.thread(login, thread.message.key, max_items=MAX_FETCHED)
    except ChannelError as error:
        reading.error = error.message
        if error.permanent or error.retry_after is not None:
            return error.usage
    except Exception as error:
        _log.exception("fetching a thread failed", reading=reading.pk)
        reading.error = _("The thread could not be read: %r") % error
    else:
        _keep(reading, items)
        return _usage(account, len(items), len({item.author.key for item in items}))
    # The network may have answered and charged, but its answer did not arrive.
    return _wanted(account).usage


@transaction.atomic
def _begin(case: Case, thread: Fetchable, by: User) -> ThreadReading:
    # The lock comes first: of two clicks at once, the second must see the row of the first.
    Case.objects.filter(pk=case.pk).lock()
    now, account, key = timezone.now(), thread.account, thread.thread_key
    same = ThreadReading.objects.filter(case=case, account=account, thread_key=key)
    if same.recent(now).exists():
        raise Stale(_("This thread was fetched less than a minute ago."))
    return ThreadReading.objects.create(case=case, account=account, thread_key=key, by=by, at=now)


def _keep(reading: ThreadReading, items: Sequence[Item]) -> None:
    """Put the public posts into the reading."""
    public = [item for item in items if item.visibility == "public"][:MAX_FETCHED]
    reading.posts = [_stored(item) for item in public]
    reading.read_at = timezone.now()


def _stored(item: Item) -> dict[str, str]:
    author = item.author
    return {
        "scope": item.scope,
        "key": item.key,
        "network": author.network,
        "author_key": author.key,
        "name": author.name or author.handle or author.key,
        "title": item.title,
        "text": item.text,
        "url": item.url,
        "at": item.occurred_at.isoformat() if item.occurred_at else "",
    }
