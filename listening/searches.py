"""Search networks for the words of a topic: what each network can search for, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from crm.models import Account, User
from listening.models import Source, Topic
from scrm.channels.prices import MICRO
from scrm.channels.search_query import Translation, Untranslatable

FREE_RHYTHM, PAID_RHYTHM = 300, 900
"""Seconds between two fetches of a search, if it is free and if each item is paid for."""


@dataclass(frozen=True, slots=True)
class SearchOffer:
    """A search that one of our accounts can make for a topic.

    translation: the words of the topic as queries of the network; None if the network cannot search
    for these words.
    problem: the reason why the network cannot search for the words; "" if it can.
    source: the source that makes this search already, or None.
    """

    account: Account
    translation: Translation | None
    problem: str
    source: Source | None

    @property
    def cost(self) -> str:
        """The price of 1,000 items as text. If the search is free, the text says so."""
        channel = self.account.channel
        if channel.prices is None or not channel.item_price:
            return _("free")
        dollars = Decimal(channel.prices.prices[channel.item_price] * 1000) / MICRO
        facts = {"usd": f"{dollars:.2f}", "date": f"{channel.prices.as_of:%-d %b %Y}"}
        return _("%(usd)s USD for 1,000 items (price of %(date)s)") % facts


def offers(topic: Topic) -> list[SearchOffer]:
    """Return the searches that our accounts can make for the topic."""
    running = {source.account_id: source for source in topic.sources.all()}
    accounts = Account.objects.active().defer("secrets").order_by("name")
    return [
        _offer(topic, account, running.get(account.pk))
        for account in accounts
        if account.channel.translate
    ]


def _offer(topic: Topic, account: Account, source: Source | None) -> SearchOffer:
    translate = account.channel.translate
    assert translate
    if topic.current is None:
        return SearchOffer(account, None, _("This topic has no terms."), source)
    try:
        return SearchOffer(account, translate(topic.current.terms), "", source)
    except Untranslatable as error:
        return SearchOffer(account, None, str(error), source)


def start(topic: Topic, account: Account, *, owner: User, now: datetime) -> Source:
    """Create the source that searches with this account for the topic, or return the existing one.

    An item that is found by the search opens a case only if the item matches a topic.
    """
    rhythm = PAID_RHYTHM if account.channel.prices else FREE_RHYTHM
    source, _created = Source.objects.get_or_create(
        kind=account.kind,
        address=f"topic:{topic.pk}",
        account=account,
        defaults={
            "name": f"{account.channel.label}: {topic.name}"[:200],
            "topic": topic,
            "stance": Source.Stance.ABOUT_US,
            "owner": owner,
            "rhythm": rhythm,
            "created_at": now,
        },
    )
    return source
